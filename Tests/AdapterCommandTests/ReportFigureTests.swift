import AdapterCommand
import Foundation
import Testing

/// Colours, axes and paths.
@Suite struct ReportFigureTests {
  @Test func coloursFollowTheNumbers() {
    let linear = HeatScale([2, 12, .nan, .infinity], spacing: .linear)
    #expect((2...12).map { linear.level(of: Double($0)) } == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9])
    #expect(linear.level(of: .nan) == nil && linear.level(of: -.infinity) == nil)
    #expect(linear.level(of: 1e308) == 9 && linear.level(of: -1e308) == 0)
    let ratio = HeatScale([1e-5, 1e5, 0], spacing: .logarithmic)
    #expect([0, -1, 2e-5, 2, 2e4].map { ratio.level(of: $0) } == [0, 0, 0, 5, 9])
    #expect(HeatScale([], spacing: .linear).level(of: 1) == 4)
    #expect(HeatScale([-1.7e308, 1.7e308], spacing: .linear).level(of: 0) == 4)
  }

  /// Every number has the colour of the step of the legend that it lies in.
  @Test(arguments: [HeatScale.Spacing.linear, .logarithmic])
  func coloursNeverFallWhereNumbersRise(_ spacing: HeatScale.Spacing) {
    let values = (0..<500).map { 0.001 * pow(1.02, Double($0)) }
    let levels = values.compactMap { HeatScale(values, spacing: spacing).level(of: $0) }
    #expect(levels.count == 500 && levels == levels.sorted())
    #expect(Set(levels) == Set(0...9))
  }

  @Test func numbersOfAMapHaveOneForm() throws {
    #expect(try cells([1.5, 0.25, 10.125]) == ["1.5", "0.3", "10.1"])
    #expect(try cells([0.5, 1.25, 100.5, 0.7]) == ["0.5", "1.3", "100.5", "0.7"])
    #expect(try cells([1, 20, 3000, 0]) == ["1", "20", "3000", "0"])
    #expect(try cells([0.00001, 1, .nan, -2]) == ["1.00e-5", "1.00e0", "nan", "-2.00e0"])
    #expect(try cells([.leastNonzeroMagnitude, 1e308]) == ["4.94e-324", "1.00e308"])
    #expect(try cells([0.99999, 0.5]) == ["1.000", "0.500"])
  }

  /// The heights of a curve in a plot fall by the same amount where the numbers fall by the same ratio,
  /// and stay inside the drawing.
  @Test func pathsShowTheNumbers() throws {
    let paths = try boldLines([Curve("0", [1, 0.1, 0.01, 0.001])], .logarithmic)
    let points = try #require(paths.first)
    #expect(points.map(\.x) == points.map(\.x).sorted() && points.count == 4)
    let falls = zip(points.dropFirst(), points).map { $0.y - $1.y }
    #expect(falls.allSatisfy { $0 > 30 && abs($0 - falls[0]) < 0.2 })
    #expect(points.allSatisfy { (46...272).contains($0.x) && (8...134).contains($0.y) })
    let straight = try boldLines([Curve("0", [3, 2, 1, 0])], .linear)
    let steps = zip(straight[0].dropFirst(), straight[0]).map { $0.y - $1.y }
    #expect(steps.allSatisfy { $0 > 20 && abs($0 - steps[0]) < 0.2 })
  }

  @Test func whatHasNoPlaceIsAGap() throws {
    let html = try page([Curve("0", [4, 0, .nan, 2, 1])], .logarithmic)
    let path = try #require(html.components(separatedBy: "class=\"median\" d=\"").last)
    #expect(path.prefix { $0 != "\"" }.split(separator: "M").count == 2)
    for values: [Double] in [[], [0], [.nan, .infinity], [-1]] {
      #expect(try !page([Curve("0", values)], .logarithmic).contains("<svg"))
    }
    #expect(try page([Curve("0", [-1.7e308, 1.7e308])], .linear).contains("<table"))
    #expect(try page([Curve("0", [.leastNonzeroMagnitude])], .logarithmic).contains("<table"))
  }

  @Test func theMedianIsInTheMiddle() throws {
    let curves = [[1.0, 4], [3, 8, 5], [2, 6], [100]].enumerated().map { Curve("\($0)", $1) }
    let html = try page(curves, .linear)
    let row = try #require(html.components(separatedBy: ">median</th>").last)
    let cells = row.prefix(200).components(separatedBy: "</td>").prefix(3).compactMap {
      $0.components(separatedBy: ">").last
    }
    #expect(cells == ["2.5", "6.0", "5.0"])
    #expect(
      html.contains(
        "4 curves of 3 values; median 2.5 to 5; first value 1 (layer 0) to 100 (layer 3)."))
  }

  /// A plot of many values stays small, and keeps both ends.
  @Test func longCurvesAreThinned() throws {
    let values = (1...5000).map { 1 / Double($0) }
    let points = try #require(try boldLines([Curve("0", values)], .logarithmic).first)
    #expect(points.count == 32 && points.first?.x == 46 && points.last?.x == 272)
    #expect(try page([Curve("0", values)], .logarithmic).contains(">σ5000</th>"))
  }

  private func cells(_ values: [Double]) throws -> [String] {
    var page = ReportPage(title: "a", command: "b", summary: "c")
    page.heatMaps = [
      HeatMap(
        caption: "a", explanation: "b", columns: values.indices.map { "\($0)" },
        rows: [("0", values)],
        spacing: .linear)
    ]
    let body = try #require(page.html.components(separatedBy: "<tbody>").last)
    return body.components(separatedBy: "</td>").dropLast().compactMap {
      $0.components(separatedBy: ">").last
    }
  }

  private func page(_ curves: [Curve], _ scale: PlotScale) throws -> String {
    var page = ReportPage(title: "a", command: "b", summary: "c")
    page.plotGrids = [
      PlotGrid(heading: "a", explanation: "b", valueName: "σ", scale: scale, plots: [("c", curves)])
    ]
    return page.html
  }

  /// The points of the bold lines.
  private func boldLines(_ curves: [Curve], _ scale: PlotScale) throws -> [[(x: Double, y: Double)]]
  {
    let pieces = try page(curves, scale).components(separatedBy: "class=\"median\" d=\"")
      .dropFirst()
    return pieces.map { piece in
      piece.prefix { $0 != "\"" }.replacingOccurrences(of: "h0", with: "")
        .split { "ML".contains($0) }.map { point in
          let numbers = point.split(separator: " ").compactMap { Double($0) }
          return (numbers.first ?? .nan, numbers.last ?? .nan)
        }
    }
  }
}
