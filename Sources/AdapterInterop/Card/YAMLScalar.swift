/// One text of YAML on one line, plain or in quotes.
struct YAMLScalar {
  /// The text; nil where it is none, or one that is not read.
  let text: String?

  init(_ source: Substring) {
    let source = source.drop { $0 == " " }
    switch source.first {
    case nil: text = nil
    case "\"": text = Self.quoted(source, by: "\"", isEscaped: true)
    case "'": text = Self.quoted(source, by: "'", isEscaped: false)
    default: text = Self.plain(source)
    }
  }

  /// The characters that cannot begin a plain text, or mean something else there.
  private static let indicators = Set<Character>("[]{}&*!|>%@`,#?:")

  private static func plain(_ source: Substring) -> String? {
    var text = source
    // A comment has a space before it.
    if let comment = text.indices.first(where: { index in
      text[index] == "#" && index > text.startIndex && text[text.index(before: index)] == " "
    }) {
      text = text[..<comment]
    }
    while text.last == " " { text.removeLast() }
    guard let first = text.first, !indicators.contains(first), text != "-",
      !text.hasPrefix("- "), !text.hasPrefix("---"), !text.hasSuffix(":"), !text.contains(": "),
      !["~", "null", "Null", "NULL"].contains(text)
    else { return nil }
    return checked(String(text))
  }

  private static func quoted(
    _ source: Substring, by quote: Character, isEscaped: Bool
  ) -> String? {
    var (text, rest) = ("", source.dropFirst())
    while let character = rest.popFirst() {
      if character == quote {
        // In single quotes, two of them are one.
        guard !isEscaped, rest.first == quote else {
          let end = rest.drop { $0 == " " }
          return end.isEmpty || (end.hasPrefix("#") && rest.first == " ") ? checked(text) : nil
        }
        rest.removeFirst()
        text.append(quote)
      } else if isEscaped, character == "\\" {
        guard let escaped = rest.popFirst(), "\"\\/".contains(escaped) else { return nil }
        text.append(escaped)
      } else {
        text.append(character)
      }
    }
    return nil
  }

  /// No control characters are in it.
  private static func checked(_ text: String) -> String? {
    text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control } ? text : nil
  }

  /// The texts between the brackets of `[a, "b"]`; nil where one of them is not read.
  static func items(of source: Substring) -> [String]? {
    var parts: [Substring] = []
    var (start, quote) = (source.startIndex, nil as Character?)
    for index in source.indices {
      let character = source[index]
      if let open = quote {
        if character == open { quote = nil }
      } else if character == "\"" || character == "'" {
        quote = character
      } else if character == "," {
        parts.append(source[start..<index])
        start = source.index(after: index)
      } else if "[]{}".contains(character) {
        return nil
      }
    }
    parts.append(source[start...])
    // One comma may stand behind the last.
    if parts.last?.allSatisfy({ $0 == " " }) == true { parts.removeLast() }
    let items = parts.map { YAMLScalar($0).text }
    return items.contains(nil) ? nil : items.compactMap(\.self)
  }
}
