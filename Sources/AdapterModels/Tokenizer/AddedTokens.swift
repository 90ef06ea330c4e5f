/// A token that stands beside the model's: its text is found before anything else is done.
struct AddedToken: Sendable {
  let id: Int32
  let text: [UInt8]
  let isSpecial: Bool
  /// True if it is looked for in the normalized text.
  let isNormalized: Bool
  /// True if letters beside it keep it from being found.
  let isSingleWord: Bool
  /// True if it takes the white space on its left with it.
  let stripsLeft: Bool
  /// True if it takes the white space on its right with it.
  let stripsRight: Bool

  /// The same, found by what its text becomes.
  func normalized(by normalizer: TextNormalizer) -> AddedToken {
    var text: [UInt8] = []
    normalizer.append(self.text[...], to: &text)
    return AddedToken(
      id: id, text: text, isSpecial: isSpecial, isNormalized: isNormalized,
      isSingleWord: isSingleWord, stripsLeft: stripsLeft, stripsRight: stripsRight)
  }
}

/// A part of a text that is split at its added tokens.
enum TextPart: Sendable {
  /// An added token.
  case token(Int32)
  /// A text that is not empty, by its place in all of the bytes.
  case text(Range<Int>)
}

/// Finds added tokens in a text: the leftmost one, and of those the longest.
struct AddedTokenMatcher: Sendable {
  /// So long may a text be, or a file could make every place of a text cost much.
  static let longestText = 256

  private let tokens: [AddedToken]
  /// Where a byte leads from a node of the tree of all texts.
  private var edges: [UInt64: Int] = [:]
  /// The index of the token that ends at a node.
  private var endings: [Int?] = [nil]
  private var firstBytes = [Bool](repeating: false, count: 256)

  /// Takes the tokens, whose texts are all different.
  init(_ tokens: [AddedToken]) {
    self.tokens = tokens
    for (index, token) in tokens.enumerated() {
      var node = 0
      for byte in token.text {
        let key = UInt64(node) << 8 | UInt64(byte)
        if let next = edges[key] {
          node = next
        } else {
          edges[key] = endings.count
          node = endings.count
          endings.append(nil)
        }
      }
      if let first = token.text.first { firstBytes[Int(first)] = true }
      endings[node] = index
    }
  }

  /// Cuts a piece of a text at the tokens in it.
  func cut(_ text: [UInt8], _ piece: Range<Int>) -> [TextPart] {
    guard !tokens.isEmpty else { return piece.isEmpty ? [] : [.text(piece)] }
    var parts: [TextPart] = []
    var done = piece.lowerBound
    var index = piece.lowerBound
    while index < piece.upperBound {
      guard firstBytes[Int(text[index])], let match = longestMatch(text, index, piece.upperBound)
      else {
        index += 1
        continue
      }
      let found = index..<match.end
      index = match.end
      let token = tokens[match.token]
      guard !token.isSingleWord || Self.standsAlone(text, found, in: piece) else { continue }
      let taken = Self.widen(found, of: token, text, in: piece, after: done)
      if done < taken.lowerBound { parts.append(.text(done..<taken.lowerBound)) }
      parts.append(.token(token.id))
      done = taken.upperBound
    }
    if done < piece.upperBound { parts.append(.text(done..<piece.upperBound)) }
    return parts
  }

  private func longestMatch(_ text: [UInt8], _ start: Int, _ end: Int) -> (end: Int, token: Int)? {
    var (node, index) = (0, start)
    var longest: (end: Int, token: Int)?
    while index < end, let next = edges[UInt64(node) << 8 | UInt64(text[index])] {
      node = next
      index += 1
      if let token = endings[node] { longest = (index, token) }
    }
    return longest
  }

  private static func standsAlone(_ text: [UInt8], _ found: Range<Int>, in piece: Range<Int>)
    -> Bool
  {
    if found.lowerBound > piece.lowerBound,
      Scalars.decode(text, before: found.lowerBound).scalar.isWord
    {
      return false
    }
    return found.upperBound == piece.upperBound
      || !Scalars.decode(text, at: found.upperBound).scalar.isWord
  }

  private static func widen(
    _ found: Range<Int>, of token: AddedToken, _ text: [UInt8], in piece: Range<Int>,
    after done: Int
  ) -> Range<Int> {
    var (start, end) = (found.lowerBound, found.upperBound)
    if token.stripsLeft {
      while start > max(piece.lowerBound, done) {
        let (scalar, count) = Scalars.decode(text, before: start)
        guard scalar.properties.isWhitespace else { break }
        start -= count
      }
      // A token before this one may have taken the space already.
      start = min(max(start, done), end)
    }
    if token.stripsRight {
      // Where the last token went further than this one, only white space is between.
      end = max(end, done)
      while end < piece.upperBound {
        let (scalar, count) = Scalars.decode(text, at: end)
        guard scalar.properties.isWhitespace else { break }
        end += count
      }
    }
    return start..<end
  }
}
