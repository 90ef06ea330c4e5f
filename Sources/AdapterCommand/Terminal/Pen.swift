/// Marks text for a terminal, where colours are shown.
struct Pen {
  let isColoured: Bool

  func bold(_ text: String) -> String { marked("1", text) }

  /// In one of the eight colours (31 red, 32 green, 33 yellow); as it is for nil.
  func colored(_ color: Int?, _ text: String) -> String {
    color.map { marked("\($0)", text) } ?? text
  }

  private func marked(_ code: String, _ text: String) -> String {
    isColoured ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
  }
}
