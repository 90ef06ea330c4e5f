internal import RealModule

/// Which of the ten colours a number has.
package struct HeatScale: Sendable {
  /// How the colours are spread over the numbers.
  package enum Spacing: Sendable {
    /// Steps of one difference.
    case linear
    /// Steps of one ratio; numbers that are not positive have the lowest colour.
    case logarithmic
  }

  /// The meaning of each colour.
  package struct Legend: Sendable {
    /// A colour and the least number that has it.
    struct Step: Sendable {
      let level: Int
      let from: Shown
    }

    let steps: [Step]
    let greatest: Shown

    /// The ten steps and where the last of them ends.
    package init(from steps: [Shown], to greatest: Shown) {
      self.steps = steps.prefix(10).enumerated().map { Step(level: $0, from: $1) }
      self.greatest = greatest
    }
  }

  private let spacing: Spacing
  private let lower: Double
  private let width: Double
  private let numbers: AlignedNumbers

  /// A scale over the range of these numbers; those that are not finite do not count.
  package init(_ values: [Double], spacing: Spacing) {
    self.spacing = spacing
    numbers = AlignedNumbers(values)
    let places = values.compactMap { Self.place(of: $0, spacing) }
    lower = places.min() ?? 0
    let range = (places.max() ?? 0) - lower
    width = range.isFinite ? range : 0
  }

  /// The colour of a number, 0 to 9; nil of one that is not finite.
  package func level(of value: Double) -> Int? {
    guard value.isFinite else { return nil }
    guard let place = Self.place(of: value, spacing) else { return 0 }
    guard width > 0 else { return 4 }
    return Int(min(max((place - lower) / width * 10, 0), 9).rounded(.down))
  }

  /// The meaning of each colour; nil if all numbers are alike.
  package var legend: Legend? {
    guard width > 0 else { return nil }
    let bounds = (0...10).map { step in
      let place = lower + width * Double(step) / 10
      return spacing == .linear ? place : Double.pow(10, place)
    }
    let numbers = AlignedNumbers(bounds)
    let texts = bounds.map { Shown(numbers.text($0)) }
    return Legend(from: Array(texts.prefix(10)), to: texts[10])
  }

  /// A cell of this scale.
  func cell(_ value: Double?) -> HeatMap.Cell {
    guard let value else { return .absent }
    // No colour where nothing changes.
    return HeatMap.Cell(
      Shown(numbers.text(value)), level: value == 0 ? nil : level(of: value),
      isAlarming: !value.isFinite)
  }

  /// Where a number stands on the line that is cut into ten; nil where it has no place.
  private static func place(of value: Double, _ spacing: Spacing) -> Double? {
    guard value.isFinite else { return nil }
    guard spacing == .logarithmic else { return value }
    return value > 0 ? Double.log10(value) : nil
  }
}
