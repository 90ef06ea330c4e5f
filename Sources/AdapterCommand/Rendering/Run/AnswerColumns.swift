/// Answers beside each other. A row is written as soon as no answer can change it any more.
package struct AnswerColumns {
  private static let width = 38
  private var columns: [Column]
  private var rowCount = 0

  private struct Column {
    /// Lines that stay as they are.
    var lines: [String] = []
    /// The last one, which may grow; nil where the answer has ended.
    var last: String? = ""
  }

  /// - Parameter heads: what stands above the answers.
  package init(_ heads: [String]) {
    columns = heads.map { head in
      Column(lines: [head, String(repeating: "─", count: head.count)])
    }
  }

  /// Takes the next piece of an answer.
  package mutating func append(_ piece: String, to place: Int) {
    guard let last = columns[place].last else { return }
    let lines = (last + piece).wrapped(to: Self.width)
    columns[place].lines += lines.dropLast()
    columns[place].last = lines.last ?? ""
  }

  /// Ends an answer.
  package mutating func finish(_ place: Int) {
    if let last = columns[place].last { columns[place].lines.append(last) }
    columns[place].last = nil
  }

  /// The rows that have not been taken, and that stay as they are.
  package mutating func take() -> String {
    var text = ""
    while columns.contains(where: { rowCount < $0.lines.count }),
      columns.allSatisfy({ rowCount < $0.lines.count || $0.last == nil })
    {
      let cells = columns.map { rowCount < $0.lines.count ? $0.lines[rowCount] : "" }
      let first = cells.first ?? ""
      let gap = String(repeating: " ", count: max(0, Self.width - first.columnCount) + 4)
      text += (cells.count > 1 && cells[1] != "" ? first + gap + cells[1] : first) + "\n"
      rowCount += 1
    }
    return text
  }
}

extension AnswerColumns {
  /// Has answers come in turns, and writes them beside each other as they come.
  static func write(_ answers: [Answer]) throws(Failure) {
    var columns = Self(answers.map { $0.kind == .base ? "base" : "with adapters" })
    var isRunning = true
    while isRunning {
      isRunning = false
      for (place, answer) in answers.enumerated() {
        guard let piece = try answer.next() else { continue }
        isRunning = true
        columns.append(piece.escapedLines, to: place)
        if answer.end != nil { columns.finish(place) }
      }
      Terminal.write(columns.take())
    }
  }
}
