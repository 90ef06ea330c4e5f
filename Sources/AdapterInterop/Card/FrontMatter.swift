/// The front matter of a model card: what stands between two lines `---` at its beginning.
///
/// It is YAML, of which three forms are read, that hold nearly all there is in cards: `key: value`, `key: [a, b]`, and a
/// key with a list of `- item` below it. Whatever else YAML has (nested mappings, anchors, tags, texts of several lines)
/// leaves its key without a value here. Nothing is ever resolved, so that no input takes more than its own length.
package struct FrontMatter: Sendable {
  /// The value of a key.
  package enum Value: Sendable, Hashable {
    /// One text.
    case text(String)
    /// A list of texts.
    case list([String])
    /// Something that is not read.
    case other
  }

  /// The keys in their order.
  package private(set) var fields: [(key: String, value: Value)] = []

  /// Bytes of a card that are looked at.
  package static let maximumByteCount = 1 << 16

  /// Reads the front matter of a card, or of its beginning; nil where it has none that ends in there.
  package init?(_ card: some Collection<UInt8>) {
    var bytes = card.prefix(Self.maximumByteCount)
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
    var lines: [String] = []
    for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      guard var text = String(validating: line, as: UTF8.self) else { return nil }
      while let last = text.unicodeScalars.last, [" ", "\t", "\r"].contains(last) {
        text.unicodeScalars.removeLast()
      }
      if lines.isEmpty {
        guard text == "---" else { return nil }
      } else if text == "---" {
        for line in lines.dropFirst() { add(line) }
        return
      }
      lines.append(text)
    }
    return nil
  }

  private mutating func add(_ line: String) {
    let content = line.drop { $0 == " " }
    guard let first = content.first, first != "#" else { return }
    if content == "-" || content.hasPrefix("- ") {
      addItem(content.dropFirst(2))
    } else if content.startIndex == line.startIndex, let (key, rest) = Self.entry(line) {
      fields.append((key, Self.value(rest)))
    } else {
      // The rest of something that is not read.
      leaveLast()
    }
  }

  private mutating func addItem(_ text: Substring) {
    guard let last = fields.indices.last, case .list(var items) = fields[last].value,
      let item = YAMLScalar(text).text
    else { return leaveLast() }
    // Given up here, the list is not copied for every item.
    fields[last].value = .other
    items.append(item)
    fields[last].value = .list(items)
  }

  private mutating func leaveLast() {
    if let last = fields.indices.last { fields[last].value = .other }
  }

  /// A key and what stands behind its colon.
  private static func entry(_ line: String) -> (key: String, rest: Substring)? {
    guard let colon = line.firstIndex(of: ":") else { return nil }
    let key = line[..<colon]
    let rest = line[line.index(after: colon)...]
    guard !key.isEmpty, key.utf8.allSatisfy(\.isOfKey), rest.isEmpty || rest.first == " " else {
      return nil
    }
    return (String(key), rest.drop { $0 == " " })
  }

  private static func value(_ text: Substring) -> Value {
    if text.isEmpty || text.hasPrefix("#") { return .list([]) }
    guard text.hasPrefix("[") else { return YAMLScalar(text).text.map { .text($0) } ?? .other }
    guard text.hasSuffix("]") else { return .other }
    let items = YAMLScalar.items(of: text.dropFirst().dropLast())
    return items.map { .list($0) } ?? .other
  }
}

extension UInt8 {
  fileprivate var isOfKey: Bool {
    switch self {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
      true
    default: false
    }
  }
}
