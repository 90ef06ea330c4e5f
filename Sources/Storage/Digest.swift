internal import Crypto

/// A SHA-256 digest.
public struct Digest: Hashable, Sendable, CustomStringConvertible {
  /// The 32 bytes.
  public let bytes: [UInt8]

  /// Bytes of every digest.
  public static let byteCount = 32

  /// Wraps 32 bytes; nil for any other number.
  public init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = Array(bytes)
  }

  /// Reads 64 lower-case hexadecimal digits.
  public init?(hexadecimal text: String) {
    guard text.utf8.count == 2 * Self.byteCount, let bytes = [UInt8](hexadecimal: text) else {
      return nil
    }
    self.bytes = bytes
  }

  /// The digest of bytes.
  public init(of bytes: [UInt8]) {
    var hasher = DigestHasher()
    hasher.update(bytes)
    self = hasher.finish()
  }

  fileprivate init(_ digest: SHA256.Digest) {
    bytes = Array(digest)
  }

  /// 64 lower-case hexadecimal digits.
  public var description: String { bytes.hexadecimal }
}

/// Computes a SHA-256 digest piece by piece.
public struct DigestHasher {
  private var state = SHA256()

  /// Begins with no bytes.
  public init() {}

  /// Adds bytes.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    unsafe state.update(bufferPointer: bytes)
  }

  /// Adds an array's bytes.
  public mutating func update(_ bytes: [UInt8]) {
    unsafe bytes.withUnsafeBytes { unsafe update($0) }
  }

  /// The digest of all that was added.
  public func finish() -> Digest {
    Digest(state.finalize())
  }
}

extension [UInt8] {
  /// Two lower-case hexadecimal digits a byte.
  package var hexadecimal: String {
    var text: [UInt8] = []
    text.reserveCapacity(2 * count)
    for byte in self {
      text.append(Self.hexadecimalDigit(byte >> 4))
      text.append(Self.hexadecimalDigit(byte & 15))
    }
    return String(decoding: text, as: UTF8.self)
  }

  private static func hexadecimalDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }
}

extension [UInt8] {
  /// Reads lower-case hexadecimal digits; nil for anything else.
  package init?(hexadecimal text: String) {
    let count = text.utf8.count / 2
    guard text.utf8.count == 2 * count else { return nil }
    var text = text
    // No branch inside, so that this becomes vector code.
    var isValid = true
    self = text.withUTF8 { digits in
      unsafe [UInt8](unsafeUninitializedCapacity: count) { bytes, initialised in
        for index in 0..<count {
          let (high, low) = unsafe (digits[2 &* index], digits[2 &* index &+ 1])
          isValid = isValid && high.isHexadecimalDigit && low.isHexadecimalDigit
          unsafe bytes[index] = high.hexadecimalValue &<< 4 | low.hexadecimalValue
        }
        initialised = count
      }
    }
    if !isValid { return nil }
  }
}

extension UInt8 {
  /// True if it is a lower-case hexadecimal digit.
  fileprivate var isHexadecimalDigit: Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self)
      || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(self)
  }

  /// The value of a hexadecimal digit: its lower half, and nine more for a letter.
  fileprivate var hexadecimalValue: UInt8 { (self & 15) &+ (self &>> 6) &* 9 }
}

extension RandomAccessBytes {
  /// The digest of all bytes, read a mebibyte at a time.
  package func digest() throws(StorageError) -> Digest {
    var hasher = DigestHasher()
    var offset: UInt64 = 0
    while offset < count {
      let piece = try bytes(at: offset, count: Int(min(1 << 20, count - offset)))
      hasher.update(piece)
      offset += UInt64(piece.count)
    }
    return hasher.finish()
  }
}
