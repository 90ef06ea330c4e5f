internal import StrictJSON

/// How tokens stand for text.
enum TokenAlphabet: Sendable, Hashable {
  /// Each character of a token is a byte (`ByteAlphabet`), as in GPT-2's vocabulary.
  case bytes
  /// Tokens are texts with "▁" for a space, and what the vocabulary lacks is spelled in tokens like `<0xE2>`, as in
  /// SentencePiece's. Of a text that begins with a space it may be left out.
  case characters(stripsFirstSpace: Bool)

  /// The spelling of a space in a vocabulary of characters.
  static let space = Array("▁".utf8)

  /// Reads a decoder.
  ///
  /// - Throws: `TokenizerFault` for what is not known.
  init(decoder value: JSONValue?) throws(TokenizerFault) {
    let all = try FieldReader.flatten(value, "decoder", "decoders")
    var types: [String] = []
    for fields in all {
      let type = try fields.type()
      guard try Self.isKnown(fields, type) else {
        throw .unsupported("the decoder \(type.quotedForError)")
      }
      types.append(type)
    }
    switch types {
    case ["ByteLevel"]: self = .bytes
    case ["Replace", "ByteFallback", "Fuse"]: self = .characters(stripsFirstSpace: false)
    case ["Replace", "ByteFallback", "Fuse", "Strip"]: self = .characters(stripsFirstSpace: true)
    case []: throw .unsupported("no decoder")
    default: throw .unsupported("the decoders \(types.joined(separator: ", "))")
    }
  }

  private static func isKnown(
    _ fields: FieldReader, _ type: String
  ) throws(TokenizerFault) -> Bool {
    switch type {
    case "ByteLevel", "ByteFallback", "Fuse": return true
    case "Replace":
      guard let old = try Components.plainPattern(of: fields), Array(old.utf8) == space else {
        return false
      }
      return try fields.string("content") == " "
    case "Strip":
      return try fields.string("content") == " " && fields["start"] == .integer(1)
        && fields["stop"] == .integer(0)
    default: return false
    }
  }

  /// The byte that a token like `<0xE2>` spells; nil for any other.
  static func byte(spelledBy token: ArraySlice<UInt8>) -> UInt8? {
    guard token.count == 6, token.starts(with: "<0x".utf8), token.last == UInt8(ascii: ">") else {
      return nil
    }
    return UInt8(String(decoding: token.dropFirst(3).dropLast(), as: UTF8.self), radix: 16)
  }

  /// The token that spells a byte.
  static func spelling(of byte: UInt8) -> [UInt8] {
    let digits = String(byte, radix: 16, uppercase: true)
    return Array("<0x\(byte < 16 ? "0" : "")\(digits)>".utf8)
  }

  /// The bytes of a token of characters, with spaces.
  static func append(_ token: ArraySlice<UInt8>, to text: inout [UInt8]) {
    var index = token.startIndex
    while index < token.endIndex {
      if token[index] == space[0], token[index...].starts(with: space) {
        text.append(0x20)
        index += space.count
      } else {
        text.append(token[index])
        index += 1
      }
    }
  }
}
