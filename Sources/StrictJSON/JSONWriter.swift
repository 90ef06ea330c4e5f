/// Writes one JSON document, deterministically: the same calls give the same bytes.
public struct JSONWriter {
  /// How the text is laid out.
  public enum Style: Sendable {
    /// No white space.
    case compact
    /// Two spaces a level, for people.
    case indented
  }

  /// The text so far, UTF-8.
  public private(set) var bytes: [UInt8] = []
  private let style: Style
  private var depth = 0
  private var needsComma = false
  private var followsKey = false
  /// Arrays that stand on one line, and are open.
  private var openRows = 0

  /// Begins an empty document.
  public init(style: Style = .compact) {
    self.style = style
  }

  /// Writes an object whose members `body` writes.
  public mutating func object<Failure: Error>(
    _ body: (inout JSONWriter) throws(Failure) -> Void
  ) throws(Failure) {
    try nest("{", "}", body)
  }

  /// Writes an array whose elements `body` writes.
  public mutating func array<Failure: Error>(
    _ body: (inout JSONWriter) throws(Failure) -> Void
  ) throws(Failure) {
    try nest("[", "]", body)
  }

  /// Writes an array on one line, whatever the style.
  package mutating func row<Failure: Error>(
    _ body: (inout JSONWriter) throws(Failure) -> Void
  ) throws(Failure) {
    separate()
    openRows += 1
    defer { openRows -= 1 }
    // What comes before it is written already.
    followsKey = true
    try nest("[", "]", body)
  }

  /// Writes a value whose text is known to be well formed, as it stands.
  package mutating func verbatim(_ text: [UInt8]) {
    separate()
    bytes.append(contentsOf: text)
  }

  /// Writes a key; the next call writes its value.
  public mutating func key(_ key: Name) {
    separate()
    quote(key.text)
    bytes.append(UInt8(ascii: ":"))
    if style == .indented { bytes.append(0x20) }
    followsKey = true
  }

  /// Writes a string.
  public mutating func string(_ value: String) {
    separate()
    quote(value)
  }

  /// Writes an integer.
  public mutating func integer(_ value: some BinaryInteger) {
    separate()
    bytes.append(contentsOf: String(value).utf8)
  }

  /// Writes a finite number as the shortest text that reads back as the same double.
  public mutating func number(_ value: Double) {
    separate()
    precondition(value.isFinite, "JSON has no text for this number")
    bytes.append(contentsOf: value.description.utf8)
  }

  /// Writes `true` or `false`.
  public mutating func boolean(_ value: Bool) {
    separate()
    bytes.append(contentsOf: (value ? "true" : "false").utf8)
  }

  /// Writes `null`.
  public mutating func null() {
    separate()
    bytes.append(contentsOf: "null".utf8)
  }

  /// Writes any value.
  public mutating func value(_ value: JSONValue) {
    switch value {
    case .null: null()
    case .boolean(let value): boolean(value)
    case .integer(let value): integer(value)
    case .number(let value): number(value)
    case .string(let value): string(value)
    case .array(let values): array { writer in for value in values { writer.value(value) } }
    case .object(let members):
      object { writer in
        for member in members {
          writer.key(member.key)
          writer.value(member.value)
        }
      }
    }
  }

  private mutating func nest<Failure: Error>(
    _ open: String, _ close: String, _ body: (inout JSONWriter) throws(Failure) -> Void
  ) throws(Failure) {
    separate()
    bytes.append(contentsOf: open.utf8)
    depth += 1
    needsComma = false
    try body(&self)
    depth -= 1
    if needsComma { breakLine() }
    bytes.append(contentsOf: close.utf8)
    needsComma = true
  }

  private mutating func separate() {
    if followsKey {
      followsKey = false
      needsComma = true
      return
    }
    if needsComma {
      bytes.append(UInt8(ascii: ","))
      if style == .indented, openRows > 0 { bytes.append(0x20) }
    }
    if depth > 0 { breakLine() }
    needsComma = true
  }

  private mutating func breakLine() {
    guard style == .indented, openRows == 0 else { return }
    bytes.append(0x0A)
    bytes.append(contentsOf: repeatElement(0x20, count: 2 * depth))
  }

  /// Escapes what JSON demands and nothing more, as safetensors' writer does.
  private mutating func quote(_ text: String) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), 0x5C: bytes.append(contentsOf: [0x5C, byte])
      case 0x08: bytes.append(contentsOf: "\\b".utf8)
      case 0x09: bytes.append(contentsOf: "\\t".utf8)
      case 0x0A: bytes.append(contentsOf: "\\n".utf8)
      case 0x0C: bytes.append(contentsOf: "\\f".utf8)
      case 0x0D: bytes.append(contentsOf: "\\r".utf8)
      case 0..<0x20:
        bytes.append(contentsOf: (byte < 0x10 ? "\\u000" : "\\u00").utf8)
        bytes.append(contentsOf: String(byte, radix: 16).utf8)
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}
