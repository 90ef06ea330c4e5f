/// The steps that split a text into words, the last of which turns it into bytes.
struct PreTokenizer: Sendable {
  enum Step: Sendable, Hashable {
    /// Every digit by itself.
    case digits
    /// By a pattern.
    case pattern(SplitPattern)
    /// A space before every piece that has none.
    case leadingSpace
  }

  let steps: [Step]

  /// Splits the pieces of a text into words; the text changes where spaces are put in.
  func split(_ text: inout [UInt8], _ pieces: [TextPart]) -> [TextPart] {
    var pieces = pieces
    for step in steps {
      var parts: [TextPart] = []
      parts.reserveCapacity(step == .leadingSpace ? pieces.count : text.count / 4 + 4)
      if step == .leadingSpace {
        Self.prefix(&text, pieces, into: &parts)
      } else {
        for piece in pieces { step.split(text, piece, into: &parts) }
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
    case .leadingSpace: parts.append(part)
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
