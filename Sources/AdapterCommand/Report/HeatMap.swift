/// A table of numbers whose cells are also coloured: rows are layers, columns modules.
package struct HeatMap: Sendable {
  /// One number.
  package struct Cell: Sendable {
    let text: Shown
    let level: Int?
    let isAbsent: Bool
    let isAlarming: Bool
    let detail: Shown?

    /// A number and its place in the palette.
    ///
    /// - Parameters:
    ///   - text: The number as it is shown.
    ///   - level: 0, the least, to 9, the greatest; or nil for none.
    ///   - detail: What more a pointing device shows; nothing that the page does not say elsewhere.
    ///   - isAlarming: Whether it is none of the scale at all: not a number, infinite.
    package init(_ text: Shown, level: Int?, detail: Shown? = nil, isAlarming: Bool = false) {
      self.text = text
      self.level = isAlarming ? nil : level.map { min(max($0, 0), 9) }
      self.detail = detail
      self.isAlarming = isAlarming
      isAbsent = false
    }

    private init() {
      text = "–"
      (level, detail, isAbsent, isAlarming) = (nil, nil, true, false)
    }

    /// Where a layer has no such module, or the adapter leaves it alone.
    package static let absent = Cell()
  }

  /// One layer.
  package struct Row: Sendable {
    let label: Shown
    let cells: [Cell]

    /// A row with as many cells as the map has columns.
    package init(_ label: Shown, _ cells: [Cell]) {
      self.label = label
      self.cells = cells
    }
  }

  let caption: Shown
  let explanation: Shown
  let corner: Shown
  let columns: [Shown]
  let rows: [Row]
  let legend: HeatScale.Legend?
  /// True if the heads of the columns stand upright.
  let hasLongHeads: Bool
  /// True if it takes the whole width of a large page.
  let isBroad: Bool
  /// True if it scrolls in a window of its own, under its heads.
  let isTall: Bool
  /// True if it is shown only on request: one map at a time is enough.
  package var isFolded = false

  /// A map of cells that are coloured already.
  ///
  /// - Parameters:
  ///   - caption: What the numbers are.
  ///   - explanation: How to read them, and in which unit.
  ///   - corner: What the rows are: `layer`.
  ///   - columns: The modules.
  ///   - rows: The layers.
  ///   - legend: The steps of the scale, if it has any.
  package init(
    caption: Shown, explanation: Shown, corner: Shown = "layer", columns: [Shown], rows: [Row],
    legend: HeatScale.Legend?
  ) {
    self.caption = caption
    self.explanation = explanation
    self.corner = corner
    self.columns = columns
    self.rows = rows.map { row in
      Row(row.label, columns.indices.map { $0 < row.cells.count ? row.cells[$0] : .absent })
    }
    self.legend = legend
    hasLongHeads = columns.contains { $0.count > 10 }
    isBroad = columns.count > 8
    isTall = rows.count > 32
  }

  /// A map of numbers, coloured over their range.
  ///
  /// - Parameters:
  ///   - caption: What the numbers are.
  ///   - explanation: How to read them, and in which unit.
  ///   - corner: What the rows are: `layer`.
  ///   - columns: The modules.
  ///   - rows: The layers and their numbers, nil where there is none.
  ///   - spacing: How the colours are spread.
  package init(
    caption: Shown, explanation: Shown, corner: Shown = "layer", columns: [Shown],
    rows: [(label: Shown, values: [Double?])], spacing: HeatScale.Spacing
  ) {
    let scale = HeatScale(rows.flatMap { $0.values.compactMap { $0 } }, spacing: spacing)
    self.init(
      caption: caption, explanation: explanation, corner: corner, columns: columns,
      rows: rows.map { row in Row(row.label, row.values.map { scale.cell($0) }) },
      legend: scale.legend)
  }
}

extension HeatMap {
  var markup: HTML {
    isFolded
      ? """
      <details class="fold">
      <summary>\(caption)</summary>
      \(map)
      </details>
      """ : map
  }

  private var map: HTML {
    """
    <div\(HTML.when(isBroad, #" class="broad""#))>
    <h3>\(caption)</h3>
    <p class="about">\(explanation)</p>
    \(HTML.when(columns.count > 4, #"<p class="sideways">It scrolls sideways →</p>"#))
    <div class="scroll\(HTML.when(isTall, " high"))" role="region" aria-label="\(caption)" tabindex="0">
    <table class="heat\(HTML.when(hasLongHeads, " upright"))">
    <caption>\(caption)</caption>
    <thead>
    <tr><th scope="col"><span>\(corner)</span></th>\
    \(columns.map { #"<th scope="col"><span>\#($0)</span></th>"# })</tr>
    </thead>
    <tbody>
    \(lines: rows.map(\.markup))
    </tbody>
    </table>
    </div>
    \(HTML.with(legend, \.markup))</div>
    """
  }
}

extension HeatMap.Row {
  fileprivate var markup: HTML {
    #"<tr><th scope="row"><span>\#(label)</span></th>\#(cells.map(\.markup))</tr>"#
  }
}

extension HeatMap.Cell {
  fileprivate var markup: HTML {
    """
    <td\(HTML.with(level) { #" class="l\#($0)""# })\(HTML.when(isAbsent, #" class="absent""#))\
    \(HTML.when(isAlarming, #" class="alarming""#))\
    \(HTML.with(detail) { #" title="\#($0)""# })>\(text)</td>
    """
  }
}

extension HeatScale.Legend {
  fileprivate var markup: HTML {
    """
    <p class="legend"><span>From</span>\
    \(steps.map { #"<b class="l\#($0.level)">\#($0.from)</b>"# })<span>to \(greatest)</span></p>

    """
  }
}
