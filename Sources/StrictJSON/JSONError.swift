/// Why bytes are not a document of the strict profile, or not the value that was asked for.
public struct JSONError: Error, Hashable, Sendable {
  /// A kind of fault.
  @nonexhaustive
  public enum Fault: Hashable, Sendable {
    /// The document ends inside a value.
    case unexpectedEnd
    /// A byte that the grammar does not allow at this place.
    case unexpectedByte(UInt8)
    /// Bytes that are not UTF-8.
    case invalidUTF8
    /// A byte order mark before the text.
    case byteOrderMark
    /// An escape of half a surrogate pair.
    case unpairedSurrogate
    /// A backslash that begins no escape.
    case invalidEscape
    /// A control character inside a string.
    case controlCharacter
    /// The same key twice in one object.
    case duplicateKey(Name)
    /// Objects and arrays nested deeper than the reader's limit.
    case tooDeep
    /// More values than the reader's limit.
    case tooMany
    /// A number that no double can hold: it overflows, or it is not zero and becomes zero.
    case numberOutOfRange
    /// A number where an integer was asked for: one that is not `0|[1-9][0-9]*` up to 2^53 − 1.
    case notInteger
    /// Another kind of value than was asked for.
    case expected(String)
    /// Bytes after the document.
    case trailingBytes
  }

  /// The fault.
  public let fault: Fault
  /// Where, in bytes from the start of the document; nil for a value that was read before anybody
  /// knew what it should be.
  public let offset: Int?

  package init(_ fault: Fault, at offset: Int?) {
    self.fault = fault
    self.offset = offset
  }
}

extension JSONError: CustomStringConvertible {
  /// One line for people.
  public var description: String { "\(fault)" + (offset.map { " at byte \($0)" } ?? "") }
}

extension JSONError.Fault: CustomStringConvertible {
  /// The fault, in words.
  public var description: String {
    switch self {
    case .unexpectedEnd: "the text ends inside a value"
    case .unexpectedByte(let byte): "unexpected byte 0x" + String(byte, radix: 16)
    case .invalidUTF8: "invalid UTF-8"
    case .byteOrderMark: "a byte order mark: save the text as UTF-8 without one"
    case .unpairedSurrogate: "unpaired surrogate"
    case .invalidEscape: "invalid escape"
    case .controlCharacter: "control character in a string"
    case .duplicateKey(let key): "duplicate key \(key.text.debugDescription)"
    case .tooDeep: "nested too deep"
    case .tooMany: "too many values"
    case .numberOutOfRange: "number out of range"
    case .notInteger: "expected an integer from 0 to 2^53 - 1"
    case .expected(let what): "expected \(what)"
    case .trailingBytes: "bytes after the end"
    }
  }
}
