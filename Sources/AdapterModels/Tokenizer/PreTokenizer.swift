/// The steps that split a text into words, the last of which turns it into bytes.
struct PreTokenizer: Sendable {
  enum Step: Sendable, Hashable {
    /// Every digit by itself.
    case digits
    /// By a pattern.
    case pattern(SplitPattern)
    /// A space before every piece that has none.
    case leadingSpace
    /// Spaces become "▁", and one is put before pieces that have none; words may begin at each.
    case metaspace(Prefix, splits: Bool)

    /// Before which pieces a space is put.
    enum Prefix: String, Sendable {
      case always, first, never
    }
  }

  let steps: [Step]

  /// Splits the pieces of a text into words; the text changes where spaces are put in.
  func split(_ text: inout [UInt8], _ pieces: [TextPart]) -> [TextPart] {
    var pieces = pieces
    for step in steps {
      var parts: [TextPart] = []
      parts.reserveCapacity(step == .leadingSpace ? pieces.count : text.count / 4 + 4)
      switch step {
      case .leadingSpace: Self.prefix(&text, pieces, into: &parts)
      case .metaspace(let prefix, let splits):
        Self.markSpaces(&text, pieces, prefix, splits, into: &parts)
      case .digits, .pattern: for piece in pieces { step.split(text, piece, into: &parts) }
      }
      pieces = parts
    }
    return pieces
  }

  private static func prefix(
    _ text: inout [UInt8], _ pieces: [TextPart], into parts: inout [TextPart]
  ) {
    var spaced: [UInt8] = []
    for part in pieces {
      guard case .text(let piece) = part else {
        parts.append(part)
        continue
      }
      let start = spaced.count
      if text[piece.lowerBound] != 0x20 { spaced.append(0x20) }
      spaced.append(contentsOf: text[piece])
      parts.append(.text(start..<spaced.count))
    }
    text = spaced
  }

  private static func markSpaces(
    _ text: inout [UInt8], _ pieces: [TextPart], _ prefix: Step.Prefix, _ splits: Bool,
    into parts: inout [TextPart]
  ) {
    let space = TokenAlphabet.space
    var marked: [UInt8] = []
    marked.reserveCapacity(text.count + text.count / 2)
    for (index, part) in pieces.enumerated() {
      guard case .text(let piece) = part else {
        parts.append(part)
        continue
      }
      let own = text[piece]
      var start = marked.count
      let hasSpace = own.first == 0x20 || own.starts(with: space)
      if !hasSpace, prefix == .always || prefix == .first && index == 0 {
        marked.append(contentsOf: space)
      }
      for place in own.indices {
        let isSpace =
          own[place] == 0x20 || own[place] == space[0] && own[place...].starts(with: space)
        if splits, isSpace, start < marked.count {
          parts.append(.text(start..<marked.count))
          start = marked.count
        }
        if own[place] == 0x20 {
          marked.append(contentsOf: space)
        } else {
          marked.append(own[place])
        }
      }
      parts.append(.text(start..<marked.count))
    }
    text = marked
  }
}

extension PreTokenizer.Step {
  fileprivate func split(_ text: [UInt8], _ part: TextPart, into parts: inout [TextPart]) {
    guard case .text(let piece) = part else {
      parts.append(part)
      return
    }
    switch self {
    case .digits: Self.splitDigits(text, piece, into: &parts)
    case .pattern(let pattern): pattern.split(text, piece, into: &parts)
    case .leadingSpace, .metaspace: parts.append(part)
    }
  }

  private static func splitDigits(
    _ text: [UInt8], _ piece: Range<Int>, into parts: inout [TextPart]
  ) {
    var start = piece.lowerBound
    var index = start
    while index < piece.upperBound {
      let (scalar, count) = Scalars.decode(text, at: index)
      if scalar.isDigit {
        if start < index { parts.append(.text(start..<index)) }
        parts.append(.text(index..<index + count))
        start = index + count
      }
      index += count
    }
    if start < piece.upperBound { parts.append(.text(start..<piece.upperBound)) }
  }
}
