internal import CDeflate

/// CRC-32 as in zlib and PNG: reflected polynomial 0xEDB88320, initial value and final XOR all ones ([STR-5]).
package enum CRC32 {
  /// The checksum of bytes that follow on others with the checksum `after`, 0 where there are none.
  package static func checksum(_ bytes: UnsafeRawBufferPointer, after checksum: UInt32 = 0)
    -> UInt32
  {
    // For a null pointer the library returns the initial value, whatever came before.
    guard let start = bytes.baseAddress, unsafe !bytes.isEmpty else { return checksum }
    return unsafe libdeflate_crc32(checksum, start, bytes.count)
  }
}
