/// A pull reader of one JSON document in the strict profile (Spec/adp-v1.md, section 4).
///
/// It reads straight into typed values: the caller asks for the value that its schema wants next.
///
/// ```swift
/// var keys = try reader.beginObject()
/// while let key = try reader.nextKey(&keys) {
///   switch key {
///   case "name": name = try reader.string()
///   default: try reader.skip()
///   }
/// }
/// ```
public struct JSONReader {
  private let bytes: [UInt8]
  private let maximumDepth: Int
  private var depth = 0
  /// The place of the next byte.
  public private(set) var offset = 0

  /// Begins to read a document.
  ///
  /// - Parameters:
  ///   - bytes: the whole document.
  ///   - maximumDepth: how deep objects and arrays may nest.
  /// - Throws: `invalidUTF8` where the document begins with a byte order mark.
  public init(_ bytes: [UInt8], maximumDepth: Int) throws(JSONError) {
    guard !bytes.starts(with: [0xEF, 0xBB, 0xBF]) else { throw JSONError(.invalidUTF8, at: 0) }
    self.bytes = bytes
    self.maximumDepth = maximumDepth
    skipSpace()
  }

  /// Ends the document: nothing but white space may follow.
  public mutating func finish() throws(JSONError) {
    guard offset == bytes.count else { throw JSONError(.trailingBytes, at: offset) }
  }
}

// MARK: - Structure

extension JSONReader {
  /// The keys that an object has shown so far.
  public struct Keys {
    fileprivate var seen: [Name] = []
    fileprivate var index: Set<Name> = []

    /// Remembers a key; false where it was there already.
    fileprivate mutating func insert(_ key: Name) -> Bool {
      // Most objects are small: a scan beats a set, and allocates nothing.
      if seen.count < 16 {
        guard !seen.contains(key) else { return false }
        seen.append(key)
        if seen.count == 16 { index = Set(seen) }
        return true
      }
      return index.insert(key).inserted
    }
  }

  /// The elements that an array has shown so far.
  public struct Elements {
    /// How many elements were begun.
    public fileprivate(set) var count = 0
  }

  /// Opens an object.
  public mutating func beginObject() throws(JSONError) -> Keys {
    try open(UInt8(ascii: "{"), "an object")
    return Keys()
  }

  /// The next key of the object, its value being next to read; nil after the last one.
  public mutating func nextKey(_ keys: inout Keys) throws(JSONError) -> Name? {
    let isFirst = keys.seen.isEmpty
    if try close(UInt8(ascii: "}"), afterElement: !isFirst) { return nil }
    let start = offset
    guard try peek() == UInt8(ascii: "\"") else { throw unexpected() }
    let key = Name(try string())
    guard keys.insert(key) else { throw JSONError(.duplicateKey(key), at: start) }
    try expect(UInt8(ascii: ":"))
    skipSpace()
    return key
  }

  /// Opens an array.
  public mutating func beginArray() throws(JSONError) -> Elements {
    try open(UInt8(ascii: "["), "an array")
    return Elements()
  }

  /// Whether another element follows, which is then next to read.
  public mutating func nextElement(_ elements: inout Elements) throws(JSONError) -> Bool {
    if try close(UInt8(ascii: "]"), afterElement: elements.count > 0) { return false }
    elements.count += 1
    return true
  }

  private mutating func open(_ bracket: UInt8, _ what: String) throws(JSONError) {
    guard try peek() == bracket else { throw JSONError(.expected(what), at: offset) }
    guard depth < maximumDepth else { throw JSONError(.tooDeep, at: offset) }
    depth += 1
    offset += 1
    skipSpace()
  }

  /// Consumes the closing bracket, or the comma before a further element.
  private mutating func close(_ bracket: UInt8, afterElement: Bool) throws(JSONError) -> Bool {
    if try peek() == bracket {
      depth -= 1
      offset += 1
      skipSpace()
      return true
    }
    if afterElement {
      try expect(UInt8(ascii: ","))
      skipSpace()
    }
    return false
  }
}

// MARK: - Values

extension JSONReader {
  /// The kinds of value.
  public enum Kind: Sendable {
    case object, array, string, number, boolean, null
  }

  /// The kind of the value that is next.
  public func kind() throws(JSONError) -> Kind {
    switch try peek() {
    case UInt8(ascii: "{"): .object
    case UInt8(ascii: "["): .array
    case UInt8(ascii: "\""): .string
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): .number
    case UInt8(ascii: "t"), UInt8(ascii: "f"): .boolean
    case UInt8(ascii: "n"): .null
    case let byte: throw JSONError(.unexpectedByte(byte), at: offset)
    }
  }

  /// A string.
  public mutating func string() throws(JSONError) -> String {
    guard try peek() == UInt8(ascii: "\"") else {
      throw JSONError(.expected("a string"), at: offset)
    }
    offset += 1
    let start = offset
    while offset < bytes.count, bytes[offset] != UInt8(ascii: "\""), bytes[offset] != 0x5C,
      bytes[offset] >= 0x20
    {
      offset += 1
    }
    guard offset < bytes.count, bytes[offset] == UInt8(ascii: "\"") else {
      return try escapedString(from: start)
    }
    let text = try text(bytes[start..<offset], at: start)
    offset += 1
    skipSpace()
    return text
  }

  /// `true` or `false`.
  public mutating func boolean() throws(JSONError) -> Bool {
    guard try kind() == .boolean else { throw JSONError(.expected("true or false"), at: offset) }
    let value = bytes[offset] == UInt8(ascii: "t")
    try literal(value ? "true" : "false")
    return value
  }

  /// `null`.
  public mutating func null() throws(JSONError) {
    guard try kind() == .null else { throw JSONError(.expected("null"), at: offset) }
    try literal("null")
  }

  /// A non-negative integer: `0|[1-9][0-9]*`, at most 2^53 − 1.
  public mutating func integer() throws(JSONError) -> UInt64 {
    let start = offset
    guard try kind() == .number else { throw JSONError(.expected("an integer"), at: start) }
    guard case .integer(let value) = try number() else { throw JSONError(.notInteger, at: start) }
    return value
  }

  /// Any number, to the nearest double.
  public mutating func double() throws(JSONError) -> Double {
    guard try kind() == .number else { throw JSONError(.expected("a number"), at: offset) }
    switch try number() {
    case .integer(let value): return Double(value)
    case .other(let value): return value
    }
  }

  /// Reads past the next value, which must be well formed.
  public mutating func skip() throws(JSONError) {
    switch try kind() {
    case .object:
      var keys = try beginObject()
      while try nextKey(&keys) != nil { try skip() }
    case .array:
      var elements = try beginArray()
      while try nextElement(&elements) { try skip() }
    case .string: _ = try string()
    case .number: _ = try number()
    case .boolean: _ = try boolean()
    case .null: try null()
    }
  }
}

// MARK: - Tokens

extension JSONReader {
  package enum Number {
    case integer(UInt64)
    case other(Double)
  }

  package mutating func number() throws(JSONError) -> Number {
    let start = offset
    if bytes[offset] == UInt8(ascii: "-") { offset += 1 }
    let whole = try digits()
    guard whole.count == 1 || bytes[whole.lowerBound] != UInt8(ascii: "0") else {
      throw JSONError(.unexpectedByte(bytes[whole.lowerBound + 1]), at: whole.lowerBound + 1)
    }
    var isInteger = whole.lowerBound == start
    if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
      offset += 1
      isInteger = false
      _ = try digits()
    }
    let mantissa = bytes[start..<offset]
    if offset < bytes.count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
      offset += 1
      isInteger = false
      if offset < bytes.count, bytes[offset] == 0x2B || bytes[offset] == 0x2D { offset += 1 }
      _ = try digits()
    }
    let text = String(decoding: bytes[start..<offset], as: UTF8.self)
    skipSpace()
    if isInteger, let value = UInt64(text), value < 1 << 53 { return .integer(value) }
    let isZero = mantissa.allSatisfy { !(UInt8(ascii: "1")...UInt8(ascii: "9")).contains($0) }
    guard let value = Double(text), value.isFinite, value != 0 || isZero else {
      throw JSONError(.numberOutOfRange, at: start)
    }
    return .other(value)
  }

  private mutating func digits() throws(JSONError) -> Range<Int> {
    let start = offset
    while offset < bytes.count, bytes[offset] &- 0x30 < 10 { offset += 1 }
    guard offset > start else { throw unexpected() }
    return start..<offset
  }

  private mutating func escapedString(from start: Int) throws(JSONError) -> String {
    var decoded = Array(bytes[start..<offset])
    while true {
      guard offset < bytes.count else { throw JSONError(.unexpectedEnd, at: offset) }
      let byte = bytes[offset]
      switch byte {
      case UInt8(ascii: "\""):
        let text = try text(decoded[...], at: start)
        offset += 1
        skipSpace()
        return text
      case 0x5C: try escape(into: &decoded)
      case 0..<0x20: throw JSONError(.controlCharacter, at: offset)
      default:
        decoded.append(byte)
        offset += 1
      }
    }
  }

  private mutating func escape(into decoded: inout [UInt8]) throws(JSONError) {
    let start = offset
    guard start + 1 < bytes.count else { throw JSONError(.unexpectedEnd, at: start) }
    offset += 2
    switch bytes[start + 1] {
    case UInt8(ascii: "\""), 0x5C, UInt8(ascii: "/"): decoded.append(bytes[start + 1])
    case UInt8(ascii: "b"): decoded.append(0x08)
    case UInt8(ascii: "f"): decoded.append(0x0C)
    case UInt8(ascii: "n"): decoded.append(0x0A)
    case UInt8(ascii: "r"): decoded.append(0x0D)
    case UInt8(ascii: "t"): decoded.append(0x09)
    case UInt8(ascii: "u"):
      var code = UInt32(try hexadecimal())
      if (0xD800..<0xDC00).contains(code) {
        guard offset + 1 < bytes.count, bytes[offset] == 0x5C, bytes[offset + 1] == 0x75 else {
          throw JSONError(.unpairedSurrogate, at: start)
        }
        offset += 2
        let low = UInt32(try hexadecimal())
        guard (0xDC00..<0xE000).contains(low) else {
          throw JSONError(.unpairedSurrogate, at: start)
        }
        code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(code) else {
        throw JSONError(.unpairedSurrogate, at: start)
      }
      decoded.append(contentsOf: Array(String(Character(scalar)).utf8))
    default: throw JSONError(.invalidEscape, at: start)
    }
  }

  private mutating func hexadecimal() throws(JSONError) -> UInt16 {
    guard offset + 4 <= bytes.count else { throw JSONError(.unexpectedEnd, at: bytes.count) }
    var value: UInt16 = 0
    for byte in bytes[offset..<offset + 4] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
        throw JSONError(.invalidEscape, at: offset)
      }
      value = value << 4 | UInt16(digit)
    }
    offset += 4
    return value
  }

  private func text(_ slice: ArraySlice<UInt8>, at start: Int) throws(JSONError) -> String {
    guard let text = String(validating: slice, as: UTF8.self) else {
      throw JSONError(.invalidUTF8, at: start)
    }
    return text
  }

  private mutating func literal(_ word: StaticString) throws(JSONError) {
    for byte in word.description.utf8 {
      guard offset < bytes.count, bytes[offset] == byte else { throw unexpected() }
      offset += 1
    }
    skipSpace()
  }

  private mutating func expect(_ byte: UInt8) throws(JSONError) {
    guard try peek() == byte else { throw unexpected() }
    offset += 1
  }

  private func peek() throws(JSONError) -> UInt8 {
    guard offset < bytes.count else { throw JSONError(.unexpectedEnd, at: offset) }
    return bytes[offset]
  }

  private func unexpected() -> JSONError {
    offset < bytes.count
      ? JSONError(.unexpectedByte(bytes[offset]), at: offset)
      : JSONError(.unexpectedEnd, at: offset)
  }

  private mutating func skipSpace() {
    while offset < bytes.count {
      switch bytes[offset] {
      case 0x20, 0x09, 0x0A, 0x0D: offset += 1
      default: return
      }
    }
  }
}
