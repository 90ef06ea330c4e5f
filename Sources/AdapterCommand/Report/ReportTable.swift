/// A list with heads. A long one is folded.
package struct ReportTable: Sendable {
  /// A column.
  package struct Column: Sendable {
    /// The kind of its contents.
    package enum Kind: Sendable {
      /// Words.
      case text
      /// Numbers: on the right, never broken.
      case number
      /// Names and digests: they may break anywhere.
      case code
    }

    let title: Shown
    let kind: String

    /// A column.
    package init(_ title: Shown, _ kind: Kind = .text) {
      self.title = title
      self.kind =
        switch kind {
        case .text: "t"
        case .number: "n"
        case .code: "c"
        }
    }
  }

  /// A cell and the kind of its column.
  struct Cell: Sendable {
    let text: Shown
    let kind: String
  }

  /// A row; its first cell is its head.
  struct Row: Sendable {
    let head: Cell
    let cells: [Cell]
  }

  let caption: Shown
  let remark: Shown?
  let columns: [Column]
  let rows: [Row]
  let isFolded: Bool
  let rowCount: Shown

  /// A table.
  ///
  /// - Parameters:
  ///   - caption: What is listed.
  ///   - remark: How to read it.
  ///   - columns: The columns; the first names the row.
  ///   - rows: The rows' cells, one for each column.
  ///   - folds: Whether it is folded even if it is short.
  package init(
    caption: Shown, remark: Shown? = nil, columns: [Column], rows: [[Shown]],
    folds: Bool = false
  ) {
    self.caption = caption
    self.remark = remark
    self.columns = columns
    self.rows = rows.compactMap { row in
      let cells = zip(columns, row).map { Cell(text: $1, kind: $0.kind) }
      return cells.first.map { Row(head: $0, cells: Array(cells.dropFirst())) }
    }
    isFolded = folds || rows.count > 12
    rowCount = Shown(rows.count.of("row"))
  }
}

extension ReportTable {
  /// The table without a heading, behind a fold where it is long.
  var markup: HTML {
    """
    \(HTML.when(isFolded, fold))<div class="scroll" role="region" aria-label="\(caption)" tabindex="0">
    <table class="list">
    <caption>\(caption)</caption>
    <thead><tr>\(columns.map { #"<th scope="col" class="\#($0.kind)">\#($0.title)</th>"# })</tr></thead>
    <tbody>
    \(lines: rows.map(\.markup))
    </tbody>
    </table>
    </div>\(HTML.when(isFolded, "\n</details>"))
    """
  }

  private var fold: HTML {
    #"<details><summary>\#(rowCount)<span class="unseen"> of: \#(caption)</span></summary>\#n"#
  }

  /// The table under its heading.
  var withHeading: HTML {
    """
    <h3>\(caption)</h3>
    \(HTML.with(remark) { "<p class=\"about\">\($0)</p>\n" })\(markup)
    """
  }
}

extension ReportTable.Row {
  fileprivate var markup: HTML {
    """
    <tr><th scope="row" class="\(head.kind)">\(head.text)</th>\
    \(cells.map { #"<td class="\#($0.kind)">\#($0.text)</td>"# })</tr>
    """
  }
}
