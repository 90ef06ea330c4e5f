/// Texts of files as Markdown that shows them, and does nothing else: no markup, no line, no cell of a table begins in
/// them.
enum MarkdownText {
  private static let marks = Set<Unicode.Scalar>("\\`*_{}[]<>|&~$#!".unicodeScalars)

  /// A text on one line.
  static func inline(_ text: String) -> String {
    var result = ""
    for scalar in text.escaped.unicodeScalars {
      if marks.contains(scalar) { result.unicodeScalars.append("\\") }
      result.unicodeScalars.append(scalar)
    }
    return result
  }

  /// A text of several lines, as paragraphs where it has empty ones.
  static func paragraphs(_ text: String) -> [String] {
    text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map { line in
      let words = line.split(separator: " ").joined(separator: " ")
      // Lists, rules, and underlined headings begin a line.
      let isMarked = words.first.map { "-+=:".contains($0) } ?? false
      guard let end = words.firstIndex(where: { !$0.isNumber }), end > words.startIndex,
        ".)".contains(words[end])
      else { return (isMarked ? "\\" : "") + inline(words) }
      return inline(String(words[..<end])) + "\\" + inline(String(words[end...]))
    }
  }

  /// A name as code where it is one that code can show, else as text.
  static func code(_ text: String) -> String {
    let isShown = text.utf8.allSatisfy {
      (0x21..<0x7F).contains($0) && $0 != UInt8(ascii: "`") && $0 != UInt8(ascii: "|")
    }
    return isShown && !text.isEmpty ? "`\(text)`" : inline(text)
  }

  /// A table of facts, whose cells are Markdown.
  static func table(_ rows: [(name: String, value: String)]) -> [String] {
    table(["", ""], rows.map { [$0.name, $0.value] })
  }

  /// A table, whose cells are Markdown.
  static func table(_ titles: [String], _ rows: [[String]]) -> [String] {
    let rule = "|" + String(repeating: "---|", count: titles.count)
    func line(_ cells: [String]) -> String {
      "|" + cells.map { $0.isEmpty ? " |" : " \($0) |" }.joined()
    }
    return [line(titles), rule] + rows.map(line)
  }
}
