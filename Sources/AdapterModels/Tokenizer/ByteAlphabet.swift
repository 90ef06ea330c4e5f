/// The characters that stand for bytes in the texts of a byte-level vocabulary.
///
/// Printable ones of Latin-1 stand for themselves, the others for the characters from U+0100 on.
enum ByteAlphabet {
  /// The character of each byte; all are below U+0144, thus one or two bytes of UTF-8.
  static let scalars: [UInt16] = {
    var next: UInt16 = 0x100
    return (UInt16(0)...255).map { byte in
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return byte
      default:
        next += 1
        return next - 1
      }
    }
  }()

  /// The byte of each character below U+0144, -1 for one that stands for none.
  private static let bytes: [Int16] = {
    var table = [Int16](repeating: -1, count: 0x144)
    for (byte, scalar) in scalars.enumerated() { table[Int(scalar)] = Int16(byte) }
    return table
  }()

  /// Appends a byte's character.
  static func append(_ byte: UInt8, to text: inout [UInt8]) {
    let scalar = scalars[Int(byte)]
    if scalar < 0x80 {
      text.append(UInt8(scalar))
    } else {
      text.append(UInt8(0xC0 | scalar >> 6))
      text.append(UInt8(0x80 | scalar & 0x3F))
    }
  }

  /// Appends what a token stands for: its bytes, or the text itself where a character of it stands for
  /// no byte.
  static func append(decoding token: ArraySlice<UInt8>, to output: inout [UInt8]) {
    let start = output.count
    var index = token.startIndex
    while index < token.endIndex {
      var scalar = Int(token[index])
      index += 1
      if scalar >= 0x80 {
        guard scalar & 0xE0 == 0xC0, index < token.endIndex else { break }
        scalar = (scalar & 0x1F) << 6 | Int(token[index] & 0x3F)
        index += 1
      }
      guard scalar < bytes.count, let byte = UInt8(exactly: bytes[scalar]) else { break }
      output.append(byte)
      if index == token.endIndex { return }
    }
    output.removeSubrange(start...)
    output.append(contentsOf: token)
  }
}
