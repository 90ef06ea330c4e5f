/// Small plots side by side, one for each module, all on one upright axis.
package struct PlotGrid: Sendable {
  let heading: Shown
  let explanation: Shown
  /// Where a link finds it.
  var anchor = ""
  let plots: [Plot]

  /// A grid of plots.
  ///
  /// - Parameters:
  ///   - heading: What the curves are: `Singular values`.
  ///   - explanation: What is drawn along each axis, and what a curve stands for.
  ///   - curveName: What a curve belongs to, as the head of a column: `layer`.
  ///   - valueName: What a value is called, before its number: `σ`.
  ///   - scale: How the upright axis is divided.
  ///   - plots: The plots; one without any value that can be drawn still has its table.
  package init(
    heading: Shown, explanation: Shown, curveName: Shown = "layer", valueName: Shown,
    scale: PlotScale, plots: [(caption: Shown, curves: [Curve])]
  ) {
    self.heading = heading
    self.explanation = explanation
    let axis = PlotAxis(plots.flatMap { $0.curves.flatMap(\.values) }, scale: scale)
    self.plots = plots.map { plot in
      Plot(
        caption: plot.caption, curves: plot.curves, axis: axis, curveName: curveName,
        valueName: valueName)
    }
  }
}

/// Numbers in their order, and whose they are.
package struct Curve: Sendable {
  let label: Shown
  let values: [Double]

  /// A curve.
  package init(_ label: Shown, _ values: [Double]) {
    self.label = label
    self.values = values
  }

  /// The curve of the medians, place by place, over the finite values of all that reach it.
  static func median(of curves: [Curve]) -> Curve {
    let length = curves.map(\.values.count).max() ?? 0
    let values = (0..<length).map { index in
      let column = curves.compactMap { index < $0.values.count ? $0.values[index] : nil }
        .filter(\.isFinite).sorted()
      guard !column.isEmpty else { return Double.nan }
      let middle = column.count / 2
      guard column.count.isMultiple(of: 2) else { return column[middle] }
      return column[middle - 1] / 2 + column[middle] / 2
    }
    return Curve("median", values)
  }
}

/// One plot: lines as SVG paths, and the same numbers as a table.
struct Plot: Sendable {
  /// A mark on the upright axis.
  struct Tick: Sendable {
    let y: String
    let label: Shown
  }

  let caption: Shown
  let outline: Shown
  let lines: [String]
  let median: String
  let ticks: [Tick]
  let lastIndex: Shown?
  let isDrawn: Bool
  /// True if single lines can no longer be told apart, and only their density is seen.
  let isCrowded: Bool
  let table: ReportTable

  init(caption: Shown, curves: [Curve], axis: PlotAxis?, curveName: Shown, valueName: Shown) {
    let median = Curve.median(of: curves)
    let frame = axis.map { PlotFrame(axis: $0, length: median.values.count) }
    self.caption = caption
    self.lines = curves.count < 2 ? [] : curves.compactMap { frame?.path($0.values) }
    self.median = frame?.path(median.values) ?? ""
    ticks = (axis?.ticks ?? []).compactMap { value in
      frame?.y(value).map { Tick(y: $0, label: PlotAxis.label(value)) }
    }
    lastIndex = median.values.count > 1 ? Shown("\(median.values.count)") : nil
    isDrawn = !self.median.isEmpty
    isCrowded = curves.count > 40
    outline = Self.outline(of: curves, median, curveName: curveName)
    table = Self.table(caption, curves, median, curveName: curveName, valueName: valueName)
  }

  /// Returns a description of the plot in words.
  private static func outline(of curves: [Curve], _ median: Curve, curveName: Shown) -> Shown {
    let ends = curves.compactMap { curve in
      curve.values.first.flatMap { $0.isFinite ? (value: $0, label: curve.label) : nil }
    }
    guard let least = ends.min(by: { $0.value < $1.value }),
      let greatest = ends.max(by: { $0.value < $1.value }),
      let first = median.values.first, let last = median.values.last
    else { return "No finite values." }
    let range = median.values.count > 1 ? "\(first.short) to \(last.short)" : first.short
    guard curves.count > 1 else { return "\(median.values.count.of("value")), \(range)." }
    let spread =
      least.value == greatest.value
      ? least.value.short
      : """
      \(least.value.short) (\(curveName) \(least.label)) to \(greatest.value.short) \
      (\(curveName) \(greatest.label))
      """
    return """
      \(curves.count.of("curve")) of \(median.values.count.of("value")); median \(range); first value \
      \(spread).
      """
  }

  private static func table(
    _ caption: Shown, _ curves: [Curve], _ median: Curve, curveName: Shown, valueName: Shown
  ) -> ReportTable {
    let indices = evenIndices(of: median.values.count, atMost: 16)
    let all = curves.count < 2 ? curves : curves + [median]
    let numbers = AlignedNumbers(all.flatMap(\.values))
    return ReportTable(
      caption: caption,
      columns: [.init(curveName)]
        + indices.map { .init(Shown("\(valueName)\($0 + 1)"), .number) },
      rows: all.map { curve in
        [curve.label]
          + indices.map { $0 < curve.values.count ? Shown(numbers.text(curve.values[$0])) : "–" }
      }, folds: true)
  }
}

extension PlotGrid {
  var section: PageSection {
    PageSection(
      anchor: anchor, heading: heading,
      content: """
        <p class="about">\(explanation)</p>
        <div class="plots">
        \(lines: plots.map(\.markup))
        </div>
        """)
  }
}

extension Plot {
  fileprivate var markup: HTML {
    """
    <div class="plot">
    <h3>\(caption)</h3>
    \(HTML.when(isDrawn, "\(drawing)\n"))<p class="about">\(outline)</p>
    \(table.markup)
    </div>
    """
  }

  private var drawing: HTML {
    """
    <svg viewBox="0 0 280 160" role="img"\(HTML.when(isCrowded, #" class="crowded""#))>
    <title>\(caption)</title>
    <desc>\(outline)</desc>
    \(ticks.map(\.markup))\(lines.map { #"<path class="line" d="\#($0)"/>"# })
    <path class="median" d="\(median)"/>
    <text x="46" y="153">1</text>\
    \(HTML.with(lastIndex) { #"<text x="272" y="153" text-anchor="end">\#($0)</text>"# })
    </svg>
    """
  }
}

extension Plot.Tick {
  fileprivate var markup: HTML {
    """
    <path class="grid" d="M46 \(y)H272"/>\
    <text x="40" y="\(y)" dy=".35em" text-anchor="end">\(label)</text>

    """
  }
}
