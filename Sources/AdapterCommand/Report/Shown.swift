/// A text as a report shows it. There is no other way to make one than through the escaping, so that
/// no text of a file can come into a page without it.
///
/// Control, format and unassigned characters become `\u{…}` as on the terminal. `<`, `>`, `&` and the quotes are left to
/// `HTML`.
package struct Shown: Hashable, Sendable, CustomStringConvertible {
  /// The text, escaped.
  package let description: String

  /// Escapes a text from wherever it comes. A text that is escaped already stays as it is.
  package init(_ text: String) {
    description = text.escaped
  }

  /// How many characters are shown.
  var count: Int { description.count }
}

extension Shown: ExpressibleByStringInterpolation {
  package init(stringLiteral text: String) {
    self.init(text)
  }
}
