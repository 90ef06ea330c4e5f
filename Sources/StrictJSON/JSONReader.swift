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
  let bytes: [UInt8]
  /// Bytes that are not read yet.
  var remainingByteCount: Int { bytes.count - offset }
  private let maximumDepth: Int
  private var depth = 0
  /// The first keys of the objects that are open, the innermost last.
  private var openKeys: [Name] = []
  /// The place of the next byte.
  public internal(set) var offset = 0
  /// The first value that was passed over because nobody knew its key, as its reader describes it:
  /// whoever writes the document again would lose it.
  package private(set) var firstIgnored: String?

  /// How many more values may be read as a `JSONValue`, each of which takes far more memory than text.
  package var remainingValues = Int.max

  /// Begins to read a document.
  ///
  /// - Parameters:
  ///   - bytes: the whole document.
  ///   - maximumDepth: how deep objects and arrays may nest.
  /// - Throws: `byteOrderMark` where the document begins with one.
  public init(_ bytes: [UInt8], maximumDepth: Int) throws(JSONError) {
    guard !bytes.starts(with: [0xEF, 0xBB, 0xBF]) else { throw JSONError(.byteOrderMark, at: 0) }
    self.bytes = bytes
    self.maximumDepth = maximumDepth
    skipSpace()
  }

  mutating func countValue() throws(JSONError) {
    guard remainingValues > 0 else { throw JSONError(.tooMany, at: offset) }
    remainingValues -= 1
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
    /// Where they begin among the keys of all open objects.
    fileprivate let start: Int
    /// All of them, where there are many.
    fileprivate var index: Set<Name> = []
  }

  /// The elements that an array has shown so far.
  public struct Elements {
    /// How many elements were begun.
    public fileprivate(set) var count = 0
  }

  /// Opens an object.
  public mutating func beginObject() throws(JSONError) -> Keys {
    try open(UInt8(ascii: "{"), "an object")
    return Keys(start: openKeys.count)
  }

  /// The next key of the object, its value being next to read; nil after the last one.
  public mutating func nextKey(_ keys: inout Keys) throws(JSONError) -> Name? {
    if try close(UInt8(ascii: "}"), afterElement: openKeys.count > keys.start) {
      openKeys.removeSubrange(keys.start...)
      return nil
    }
    let start = offset
    guard try peek() == UInt8(ascii: "\"") else { throw unexpected() }
    let key = Name(try string())
    guard remember(key, in: &keys) else { throw JSONError(.duplicateKey(key), at: start) }
    try expect(UInt8(ascii: ":"))
    skipSpace()
    return key
  }

  /// Remembers a key; false where it was there already.
  private mutating func remember(_ key: Name, in keys: inout Keys) -> Bool {
    // Most objects are small: a scan beats a set, and allocates nothing.
    if openKeys.count - keys.start < 16 {
      guard !openKeys[keys.start...].contains(key) else { return false }
      openKeys.append(key)
      if openKeys.count - keys.start == 16 { keys.index = Set(openKeys[keys.start...]) }
      return true
    }
    return keys.index.insert(key).inserted
  }

  /// Opens an array.
  public mutating func beginArray() throws(JSONError) -> Elements {
    try open(UInt8(ascii: "["), "an array")
    return Elements()
  }

  /// Returns true if another element follows, which is then next to read.
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
    /// Members in braces.
    case object
    /// Elements in brackets.
    case array
    /// A text in quotes.
    case string
    /// A number, whole or not.
    case number
    /// `true` or `false`.
    case boolean
    /// `null`.
    case null
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

  /// Reads past a value that would be lost if the document were written again.
  package mutating func ignore(_ what: @autoclosure () -> String) throws(JSONError) {
    if firstIgnored == nil { firstIgnored = what() }
    try skip()
  }

  /// The text from `start` to here, without the white space at its end.
  package func text(from start: Int) -> [UInt8] {
    var end = offset
    while end > start, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[end - 1]) { end -= 1 }
    return Array(bytes[start..<end])
  }

  /// Reads past the next value where it is spelt in these bytes.
  ///
  /// - Parameter text: an object or an array that was read before, as `text(from:)` gives it.
  /// - Returns: whether it is; nothing is read where it is not.
  package mutating func skip(past text: [UInt8]) -> Bool {
    guard bytes.count - offset >= text.count, bytes[offset..<offset + text.count] == text[...]
    else { return false }
    offset += text.count
    skipSpace()
    return true
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
