// The tokens of JSON: numbers, strings and their escapes, white space.

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

  mutating func escapedString(from start: Int) throws(JSONError) -> String {
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

  func text(_ slice: ArraySlice<UInt8>, at start: Int) throws(JSONError) -> String {
    // Most texts are ASCII. No branch inside, so that looking becomes vector code.
    var all: UInt8 = 0
    for byte in slice { all |= byte }
    if all < 0x80 {
      return unsafe String(unsafeUninitializedCapacity: slice.count) { memory in
        unsafe slice.withUnsafeBytes {
          unsafe UnsafeMutableRawBufferPointer(memory).copyBytes(from: $0)
        }
        return slice.count
      }
    }
    guard let text = String(validating: slice, as: UTF8.self) else {
      throw JSONError(.invalidUTF8, at: start)
    }
    return text
  }

  mutating func literal(_ word: StaticString) throws(JSONError) {
    for byte in word.description.utf8 {
      guard offset < bytes.count, bytes[offset] == byte else { throw unexpected() }
      offset += 1
    }
    skipSpace()
  }

  mutating func expect(_ byte: UInt8) throws(JSONError) {
    guard try peek() == byte else { throw unexpected() }
    offset += 1
  }

  func peek() throws(JSONError) -> UInt8 {
    guard offset < bytes.count else { throw JSONError(.unexpectedEnd, at: offset) }
    return bytes[offset]
  }

  func unexpected() -> JSONError {
    offset < bytes.count
      ? JSONError(.unexpectedByte(bytes[offset]), at: offset)
      : JSONError(.unexpectedEnd, at: offset)
  }

  mutating func skipSpace() {
    while offset < bytes.count {
      switch bytes[offset] {
      case 0x20, 0x09, 0x0A, 0x0D: offset += 1
      default: return
      }
    }
  }
}
