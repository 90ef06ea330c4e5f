internal import Storage
internal import StrictJSON
public import SystemPackage

/// Turns text into a model's tokens and back, as a `tokenizer.json` says.
///
/// It knows byte-pair encoding: of bytes, with the splitting rules of GPT-2, BLOOM, SmolLM2, Llama 3 and Qwen2; and of
/// characters, as SentencePiece's vocabularies have it (Llama 2, Mistral, Gemma, Phi-3). What else a file asks for is
/// refused by name.
public struct Tokenizer: Sendable {
  private let vocabulary: BytePairVocabulary
  private let specialIDs: Set<Int32>
  private let plainMatcher: AddedTokenMatcher
  private let normalizedMatcher: AddedTokenMatcher
  private let normalizer: TextNormalizer
  /// The texts of added tokens that are other ones once they are normalized.
  private let normalizedTexts: [Int32: [UInt8]]
  private let preTokenizer: PreTokenizer
  private let frame: TokenFrame

  /// Reads a tokenizer.
  ///
  /// - Parameter file: a `tokenizer.json`.
  /// - Throws: `TokenizerError` where the file cannot be read, contradicts itself, or asks for what is
  ///   not implemented.
  public init(_ file: FilePath) throws(TokenizerError) {
    let opened = try storing { () throws(StorageError) in try File(file) }
    let contents = try storing { () throws(StorageError) in
      try opened.contents(limit: TokenizerFile.sizeLimit)
    }
    guard let bytes = contents else { throw .tooLarge(file, opened.count) }
    try self.init(bytes, calledAs: file)
  }

  /// Reads a tokenizer from memory.
  ///
  /// - Parameters:
  ///   - bytes: what a `tokenizer.json` holds.
  ///   - name: what errors call it.
  /// - Throws: `TokenizerError` as for a file.
  package init(_ bytes: [UInt8], calledAs name: FilePath) throws(TokenizerError) {
    let file: TokenizerFile
    do throws(TokenizerFault) {
      file = try TokenizerFile(bytes)
    } catch {
      throw error.naming(name)
    }
    vocabulary = file.vocabulary
    normalizer = file.normalizer
    preTokenizer = file.preTokenizer
    frame = file.frame
    specialIDs = Set(file.added.lazy.filter(\.isSpecial).map(\.id))
    let added = file.added
    plainMatcher = AddedTokenMatcher(added.filter { !$0.isNormalized })
    let normalizer = file.normalizer
    let normalized = added.filter(\.isNormalized)
    let found = normalized.map { $0.normalized(by: normalizer) }
    normalizedMatcher = AddedTokenMatcher(found)
    normalizedTexts = Dictionary(
      uniqueKeysWithValues: zip(normalized, found).filter { $0.0.text != $0.1.text }
        .map { ($0.1.id, $0.1.text) })
  }

  /// How many tokens there are. Their ids are the numbers from 0 on.
  public var vocabularySize: Int { vocabulary.tokens.count }

  /// The id of a token.
  ///
  /// - Parameter token: the token as the file writes it, with characters that stand for bytes.
  /// - Returns: its id, or nil where there is no such token.
  public func id(of token: String) -> Int32? {
    vocabulary.tokens.id(of: Array(token.utf8)[...]).flatMap { Int32(exactly: $0) }
  }

  /// Returns true if an id is one of the special tokens.
  ///
  /// - Parameter id: any number.
  /// - Returns: true where it is.
  public func isSpecial(_ id: Int32) -> Bool { specialIDs.contains(id) }
}

private func storing<Value>(
  _ body: () throws(StorageError) -> Value
) throws(TokenizerError) -> Value {
  try rethrowing(as: TokenizerError.storage, body)
}

// MARK: - Text to tokens

extension Tokenizer {
  /// The tokens of a text. Special tokens that are written out in it become themselves.
  ///
  /// - Parameters:
  ///   - text: any text.
  ///   - addingSpecialTokens: whether the tokens that the tokenizer puts around every text are added.
  /// - Returns: their ids.
  public func encode(_ text: String, addingSpecialTokens: Bool = true) -> [Int32] {
    var bytes = Array(text.utf8)
    let words = preTokenizer.split(&bytes, normalize(&bytes))
    var ids: [Int32] = addingSpecialTokens ? frame.before : []
    ids.reserveCapacity(words.count + 8)
    var merger = WordMerger(vocabulary)
    var cache = WordCache(byteCount: bytes.count)
    for word in words {
      switch word {
      case .token(let id): ids.append(id)
      case .text(let word):
        let start = ids.count
        if let known = cache.ids(of: word, in: bytes) {
          for index in known { ids.append(ids[index]) }
        } else {
          merger.append(bytes[word], to: &ids)
          cache.remember(word, in: bytes, ids: start..<ids.count)
        }
      }
    }
    if addingSpecialTokens { ids.append(contentsOf: frame.after) }
    return ids
  }

  /// Cuts a text at its added tokens, and normalizes what is between them.
  private func normalize(_ text: inout [UInt8]) -> [TextPart] {
    var parts = plainMatcher.cut(text, 0..<text.count)
    if !normalizer.isEmpty {
      var normalized: [UInt8] = []
      normalized.reserveCapacity(text.count)
      for (index, part) in parts.enumerated() {
        guard case .text(let piece) = part else { continue }
        let start = normalized.count
        normalizer.append(text[piece], to: &normalized)
        parts[index] = .text(start..<normalized.count)
      }
      text = normalized
    }
    return parts.flatMap { part -> [TextPart] in
      guard case .text(let piece) = part else { return [part] }
      return normalizedMatcher.cut(text, piece)
    }
  }
}

// MARK: - Tokens to text

extension Tokenizer {
  /// The text of tokens. Ids that are none are passed over, and bytes that are no UTF-8 become
  /// replacement characters.
  ///
  /// - Parameters:
  ///   - ids: any numbers.
  ///   - skippingSpecialTokens: whether special tokens are left out.
  /// - Returns: the text.
  public func decode(_ ids: [Int32], skippingSpecialTokens: Bool = false) -> String {
    guard alphabet == .bytes else {
      var stream = TextStream(self, skippingSpecialTokens: skippingSpecialTokens)
      return ids.map { stream.append($0) }.joined() + stream.finish()
    }
    var bytes: [UInt8] = []
    for id in ids {
      guard let token = token(id, skippingSpecialTokens: skippingSpecialTokens) else { continue }
      ByteAlphabet.append(decoding: token, to: &bytes)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// How tokens stand for text.
  var alphabet: TokenAlphabet { vocabulary.alphabet }

  /// A token as the file writes it, or as its text is normalized; nil for an id that is none, or is left out.
  func token(_ id: Int32, skippingSpecialTokens: Bool) -> ArraySlice<UInt8>? {
    guard id >= 0, id < vocabularySize, !skippingSpecialTokens || !isSpecial(id) else {
      return nil
    }
    return normalizedTexts[id]?[...] ?? vocabulary.tokens[Int(id)]
  }
}
