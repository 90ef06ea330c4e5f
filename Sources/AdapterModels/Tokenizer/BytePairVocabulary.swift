/// Tokens and merges: what the `model` of a tokenizer's file says.
struct BytePairVocabulary: Sendable {
  /// All tokens, also those that were added beside the model's.
  var tokens: TokenTable
  /// How many of them are the model's.
  let modelCount: Int
  let alphabet: TokenAlphabet
  let merges: MergeTable
  /// True if a word that is a token needs no merges.
  let ignoresMerges: Bool
  /// The token of each byte, -1 where there is none.
  let byteIDs: [Int32]

  init(tokens: TokenTable, alphabet: TokenAlphabet, merges: MergeTable, ignoresMerges: Bool) {
    self.tokens = tokens
    modelCount = tokens.count
    self.alphabet = alphabet
    self.merges = merges
    self.ignoresMerges = ignoresMerges
    byteIDs = (UInt8.min...UInt8.max).map { byte in
      var text: [UInt8] = []
      if alphabet == .bytes {
        ByteAlphabet.append(byte, to: &text)
      } else {
        text = TokenAlphabet.spelling(of: byte)
      }
      return tokens.id(of: text[...]).map { Int32($0) } ?? -1
    }
  }

  /// The id of a text among the model's own tokens.
  func modelID(of text: ArraySlice<UInt8>) -> Int32? {
    guard let id = tokens.id(of: text), id < modelCount else { return nil }
    return Int32(id)
  }
}
