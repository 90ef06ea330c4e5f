/// CRC-32 as in zlib and PNG: reflected polynomial 0xEDB88320, initial value and final XOR all ones
/// ([STR-5]). Sixteen bytes a step with sixteen tables ("slicing by 16").
package struct CRC32 {
  private static let tables: [UInt32] = {
    var tables = [UInt32](repeating: 0, count: 16 * 256)
    for byte in 0..<256 {
      var value = UInt32(byte)
      for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
      tables[byte] = value
    }
    for index in 256..<tables.count {
      let previous = tables[index - 256]
      tables[index] = previous >> 8 ^ tables[Int(previous & 0xFF)]
    }
    return tables
  }()

  /// The checksum of bytes.
  package static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    unsafe checksum(of: update(initial, bytes))
  }

  /// The state before any byte.
  static let initial = UInt32.max

  /// The checksum that a state stands for.
  static func checksum(of state: UInt32) -> UInt32 { ~state }

  /// The state after further bytes.
  static func update(_ state: UInt32, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
    unsafe tables.withUnsafeBufferPointer { table in
      var value = state
      var index = 0
      while index &+ 16 <= bytes.count {
        let first = unsafe bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self).littleEndian
        let second = unsafe bytes.loadUnaligned(fromByteOffset: index &+ 8, as: UInt64.self)
          .littleEndian
        value = unsafe fold(first ^ UInt64(value), table, 8) ^ fold(second, table, 0)
        index &+= 16
      }
      while index < bytes.count {
        value = unsafe value >> 8 ^ table[Int((value ^ UInt32(bytes[index])) & 0xFF)]
        index &+= 1
      }
      return value
    }
  }

  /// Looks eight bytes up; byte k of the word uses table `base + 7 − k`.
  @inline(__always)
  private static func fold(
    _ word: UInt64, _ table: UnsafeBufferPointer<UInt32>, _ base: Int
  ) -> UInt32 {
    var result: UInt32 = 0
    for k in 0..<8 {
      let byte = Int(truncatingIfNeeded: word >> UInt64(8 &* k)) & 0xFF
      result ^= unsafe table[(base &+ 7 &- k) &* 256 &+ byte]
    }
    return result
  }
}
