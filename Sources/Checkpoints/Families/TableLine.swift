internal import StrictJSON

/// One line of `FamilyTable`: a JSON object whose first value, a string, is its key.
struct TableLine {
  private let object: [JSONValue.Member]

  /// Reads a line.
  init?(_ text: Substring.UTF8View) {
    guard let value = try? JSONValue(document: Array(text), maximumDepth: 8),
      case .object(let members) = value
    else { return nil }
    object = members
  }

  /// A value; nil where there is none.
  subscript(_ key: Name) -> JSONValue? { object.first { $0.key == key }?.value }

  /// A string.
  func text(_ key: Name) -> String? {
    if case .string(let text)? = self[key] { text } else { nil }
  }

  /// The members of an object.
  func members(_ key: Name) -> [JSONValue.Member] {
    if case .object(let members)? = self[key] { members } else { [] }
  }

  /// A list of names.
  func names(_ key: Name) -> [Name] { Self.names(self[key]) }

  /// A list of lists of names.
  func lists(_ key: Name) -> [[Name]] {
    if case .array(let lists)? = self[key] { lists.map(Self.names) } else { [] }
  }

  /// A list of names.
  static func names(_ value: JSONValue?) -> [Name] {
    guard case .array(let values)? = value else { return [] }
    return values.compactMap { if case .string(let text) = $0 { Name(text) } else { nil } }
  }
}

extension FamilyTable {
  /// All lines of a text.
  static func lines(of text: String) -> [TableLine] {
    text.utf8.split(separator: UInt8(ascii: "\n")).compactMap { TableLine($0) }
  }

  /// The line of a key in a text whose lines are sorted by theirs; nil where there is none.
  static func line(_ key: Name, of text: String) -> TableLine? {
    let bytes = text.utf8
    var (low, high) = (bytes.startIndex, bytes.endIndex)
    while low < high {
      var start = bytes.index(low, offsetBy: bytes.distance(from: low, to: high) / 2)
      while start > low, bytes[bytes.index(before: start)] != UInt8(ascii: "\n") {
        start = bytes.index(before: start)
      }
      let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
      let found = self.key(of: bytes[start..<end])
      if found.elementsEqual(key.text.utf8) { return TableLine(bytes[start..<end]) }
      if found.lexicographicallyPrecedes(key.text.utf8) {
        low = end == bytes.endIndex ? end : bytes.index(after: end)
      } else {
        high = start
      }
    }
    return nil
  }

  /// `KEY` of `{"member":"KEY", …`.
  private static func key(of line: Substring.UTF8View) -> Substring.UTF8View {
    let quote = UInt8(ascii: "\"")
    let parts = line.split(separator: quote, maxSplits: 4, omittingEmptySubsequences: false)
    return parts.count == 5 ? parts[3] : line.prefix(0)
  }
}
