/// A text as a report shows it. There is no other way to make one than through the escaping, so that
/// no text of a file can come into a page without it.
///
/// Control, format and unassigned characters become `\u{…}` as on the terminal. `<`, `>`, `&` and the
/// quotes are left to Mustache; but Mustache looks at whole graphemes, and would not know a quote that
/// carries a combining mark. So such a mark is written as `\u{…}` too.
package struct Shown: Hashable, Sendable, CustomStringConvertible {
  /// The text, escaped.
  package let description: String

  /// Escapes a text from wherever it comes. A text that is escaped already stays as it is.
  package init(_ text: String) {
    description = text.escaped.withBareMarkup
  }

  /// How many characters are shown.
  var count: Int { description.count }
}

extension Shown: ExpressibleByStringInterpolation {
  package init(stringLiteral text: String) {
    self.init(text)
  }
}

extension String {
  /// The text with every character of markup standing alone in its grapheme.
  fileprivate var withBareMarkup: String {
    var result = ""
    for character in self {
      let scalars = character.unicodeScalars
      guard scalars.count > 1, scalars.contains(where: { "<>&\"'".unicodeScalars.contains($0) })
      else {
        result.append(character)
        continue
      }
      for scalar in scalars {
        result += scalar.isASCII ? String(scalar) : "\\u{\(String(scalar.value, radix: 16))}"
      }
    }
    return result
  }
}
