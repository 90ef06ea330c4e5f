/// Puts tokens together to text, one at a time.
///
/// A character may be spread over several tokens: its bytes are held back until it is whole, and in a vocabulary of
/// characters until a token comes that is none of a byte. All that the stream gives back, put together, is what
/// `Tokenizer.decode` says of all its tokens.
public struct TextStream: Sendable {
  private let tokenizer: Tokenizer
  private let skipsSpecialTokens: Bool
  private var pending: [UInt8] = []
  /// True if the text is still empty, and a space at its beginning is left out.
  private var stripsSpace: Bool

  /// Begins an empty text.
  ///
  /// - Parameters:
  ///   - tokenizer: whose tokens follow.
  ///   - skippingSpecialTokens: whether special tokens are left out.
  public init(_ tokenizer: Tokenizer, skippingSpecialTokens: Bool = false) {
    self.tokenizer = tokenizer
    skipsSpecialTokens = skippingSpecialTokens
    stripsSpace = tokenizer.alphabet == .characters(stripsFirstSpace: true)
  }

  /// Takes the next token, and gives the text that is complete by it, which may be empty.
  ///
  /// - Parameter id: a token.
  /// - Returns: the text.
  public mutating func append(_ id: Int32) -> String {
    guard let token = tokenizer.token(id, skippingSpecialTokens: skipsSpecialTokens) else {
      return ""
    }
    guard tokenizer.alphabet == .bytes else { return appendCharacters(token) }
    ByteAlphabet.append(decoding: token, to: &pending)
    let whole = pending.count - Self.unfinishedCount(pending)
    let text = String(decoding: pending[..<whole], as: UTF8.self)
    pending.removeFirst(whole)
    return text
  }

  /// Ends the text.
  ///
  /// - Returns: what is left: a replacement character, or nothing.
  public mutating func finish() -> String {
    guard tokenizer.alphabet == .bytes else { return stripped(spelled()) }
    defer { pending = [] }
    return String(decoding: pending, as: UTF8.self)
  }

  // MARK: - Vocabularies of characters

  private mutating func appendCharacters(_ token: ArraySlice<UInt8>) -> String {
    if let byte = TokenAlphabet.byte(spelledBy: token) {
      pending.append(byte)
      return ""
    }
    var text = Array(spelled().utf8)
    TokenAlphabet.append(token, to: &text)
    return stripped(String(decoding: text, as: UTF8.self))
  }

  /// The text of the bytes that were spelled: all of them are UTF-8, or none is taken for it.
  private mutating func spelled() -> String {
    defer { pending.removeAll() }
    let text = String(decoding: pending, as: UTF8.self)
    return text.utf8.elementsEqual(pending)
      ? text : String(repeating: "\u{FFFD}", count: pending.count)
  }

  private mutating func stripped(_ text: String) -> String {
    guard stripsSpace, !text.isEmpty else { return text }
    stripsSpace = false
    return text.utf8.first == 0x20 ? String(decoding: text.utf8.dropFirst(), as: UTF8.self) : text
  }

  /// How many bytes at the end begin a character that further bytes may complete.
  private static func unfinishedCount(_ bytes: [UInt8]) -> Int {
    for count in 1...3 where count <= bytes.count {
      let byte = bytes[bytes.count - count]
      if byte & 0xC0 == 0x80 { continue }
      let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
      return length > count ? count : 0
    }
    return 0
  }
}
