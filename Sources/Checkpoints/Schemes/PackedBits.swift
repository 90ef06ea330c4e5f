/// Integers of a few bits, dense and little end first, in bytes.
enum PackedBits {
  /// Some bits, eight at most, from a bit on: across bytes and words.
  static func bits(_ bit: Int, _ count: Int, _ bytes: [UInt8]) -> Int {
    let first = bit / 8
    guard first < bytes.count else { return 0 }
    var pair = Int(bytes[first])
    if first + 1 < bytes.count { pair |= Int(bytes[first + 1]) << 8 }
    return pair >> (bit % 8) & (1 << count - 1)
  }

  /// A little-endian integer of so many bytes.
  static func integer(at place: Int, of size: Int, in bytes: [UInt8]) -> UInt64 {
    bytes[place..<place + size].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// Codes of four bits, two in a byte, the first in its upper half.
  static func nibbles(_ codes: [UInt8]) -> [UInt8] {
    stride(from: 0, to: codes.count, by: 2).map { index in
      codes[index] << 4 | (index + 1 < codes.count ? codes[index + 1] : 0)
    }
  }

  /// Words as bytes, little end first.
  static func bytes(_ words: some Sequence<UInt32>) -> [UInt8] {
    unsafe words.map { $0.littleEndian }.withUnsafeBytes { unsafe Array($0) }
  }
}
