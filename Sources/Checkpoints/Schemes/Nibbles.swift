internal import CPlatform

/// Codes of four bits in words, the lowest bits first.
enum Nibbles {
  private static let isWide = platform_is_wide() != 0

  /// (code − zero) · scale of the codes of whole words.
  ///
  /// - Parameters:
  ///   - words: the words, eight codes each, little-endian, wherever they are.
  ///   - count: how many words.
  ///   - scale: what all are multiplied with.
  ///   - zero: the code of 0.
  ///   - values: room for eight values a word.
  static func decode(
    _ words: UnsafeRawPointer, count: Int, scale: Float, zero: Float,
    into values: UnsafeMutablePointer<Float>
  ) {
    if isWide {
      unsafe platform_nibbles_wide(words, count, scale, zero, values)
    } else {
      unsafe platform_nibbles_any(words, count, scale, zero, values)
    }
  }

  /// MXFP4 blocks of 32 codes of E2M1, turned.
  ///
  /// - Parameters:
  ///   - blocks: 16 bytes of each of eight rows.
  ///   - stride: blocks from one of them to the next.
  ///   - scales: of the eight blocks.
  ///   - values: room for [32, 8] values.
  ///   - width: values from one of its rows to the next.
  static func decodeMXFP4(
    _ blocks: UnsafePointer<UInt8>, stride: Int, scales: UnsafePointer<Float>,
    into values: UnsafeMutablePointer<Float>, width: Int
  ) {
    if isWide {
      unsafe platform_mxfp4_wide(blocks, stride, scales, values, width)
    } else {
      unsafe platform_mxfp4_any(blocks, stride, scales, values, width)
    }
  }
}
