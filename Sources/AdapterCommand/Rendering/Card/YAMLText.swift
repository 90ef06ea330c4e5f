/// Front matter of a model card, written so that no text of a file can become anything but a text: what is not plainly
/// one stands in double quotes, with escapes that every reader of YAML knows.
struct YAMLText {
  private(set) var lines: [String] = []

  /// A key and a text; nothing where there is none.
  mutating func add(_ key: String, _ value: String?) {
    if let value { lines.append("\(key): \(Self.scalar(value))") }
  }

  /// A key and a list; nothing where that is empty.
  mutating func add(_ key: String, _ values: [String]) {
    guard !values.isEmpty else { return }
    lines.append("\(key):")
    lines += values.map { "- \(Self.scalar($0))" }
  }

  /// Words that some readers take for something else than a text: `no` is also Norwegian.
  private static let reserved: Set<String> = [
    "true", "false", "yes", "no", "on", "off", "null", "y", "n",
  ]

  /// A text on one line.
  static func scalar(_ text: String) -> String {
    let isPlain =
      text.utf8.first?.isLetter == true && text.utf8.allSatisfy(\.isPlain)
      && !reserved.contains(text.lowercased())
    guard !isPlain else { return text }
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar.properties.generalCategory {
      case .control, .format, .surrogate, .lineSeparator, .paragraphSeparator, .privateUse,
        .unassigned:
        let digits = String(scalar.value, radix: 16)
        let width = digits.count > 4 ? 8 : 4
        quoted += width > 4 ? "\\U" : "\\u"
        quoted += String(repeating: "0", count: width - digits.count) + digits
      default:
        if scalar == "\"" || scalar == "\\" { quoted += "\\" }
        quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}

extension UInt8 {
  var isLetter: Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self | 0x20)
  }

  var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }

  /// A letter, a digit, or a mark that means nothing to YAML, shells and Python inside of a word.
  var isPlain: Bool {
    isLetter || isDigit
      || [UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "/")]
        .contains(self)
  }
}
