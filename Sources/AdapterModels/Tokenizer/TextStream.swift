/// Puts tokens together to text, one at a time.
///
/// A character may be spread over several tokens: its bytes are held back until it is whole. All that the
/// stream gives back, put together, is what `Tokenizer.decode` says of all its tokens.
public struct TextStream: Sendable {
  private let tokenizer: Tokenizer
  private let skipsSpecialTokens: Bool
  private var pending: [UInt8] = []

  /// Begins an empty text.
  ///
  /// - Parameters:
  ///   - tokenizer: whose tokens follow.
  ///   - skippingSpecialTokens: whether special tokens are left out.
  public init(_ tokenizer: Tokenizer, skippingSpecialTokens: Bool = false) {
    self.tokenizer = tokenizer
    skipsSpecialTokens = skippingSpecialTokens
  }

  /// Takes the next token, and gives the text that is complete by it, which may be empty.
  ///
  /// - Parameter id: a token.
  /// - Returns: the text.
  public mutating func append(_ id: Int32) -> String {
    tokenizer.append(id, to: &pending, skippingSpecialTokens: skipsSpecialTokens)
    let whole = pending.count - Self.unfinishedCount(pending)
    let text = String(decoding: pending[..<whole], as: UTF8.self)
    pending.removeFirst(whole)
    return text
  }

  /// Ends the text.
  ///
  /// - Returns: what is left: a replacement character, or nothing.
  public mutating func finish() -> String {
    defer { pending = [] }
    return String(decoding: pending, as: UTF8.self)
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
