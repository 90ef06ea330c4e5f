/// Walks over a piece of a text, from its first character to its last.
struct PieceScanner {
  let text: [UInt8]
  let end: Int
  var index: Int

  init(_ text: [UInt8], _ piece: Range<Int>) {
    self.text = text
    index = piece.lowerBound
    end = piece.upperBound
  }

  var isAtEnd: Bool { index >= end }

  /// The kind of the character at a place, and where the next one is; nil at the end.
  func kind(at place: Int) -> (kind: CharacterKind, next: Int)? {
    guard place < end else { return nil }
    let (scalar, count) = Scalars.decode(text, at: place)
    return (CharacterKind(scalar), place + count)
  }

  /// Returns true if the byte at a place is this one.
  func has(_ byte: UInt8, at place: Int) -> Bool { place < end && text[place] == byte }

  /// Where a run of one kind of characters ends.
  func endOfRun(_ kind: CharacterKind, from place: Int, atMost limit: Int = .max) -> Int {
    var (place, left) = (place, limit)
    while left > 0, let found = self.kind(at: place), found.kind == kind {
      place = found.next
      left -= 1
    }
    return place
  }

  /// The white space from a place on: where it ends, where its last character begins, and where the
  /// last line end in it ends.
  func whiteSpace(from start: Int) -> (end: Int, last: Int, afterNewline: Int?) {
    var (place, last) = (start, start)
    var afterNewline: Int?
    while let found = kind(at: place), found.kind.isSpace {
      last = place
      place = found.next
      if found.kind == .newline { afterNewline = place }
    }
    return (place, last, afterNewline)
  }

  /// Returns the end of a match of `\s+(?!\S)|\s+`: the last space before a word is left to the word.
  func endOfSpace(_ space: (end: Int, last: Int, afterNewline: Int?), from start: Int) -> Int {
    space.end < end && space.last > start ? space.last : space.end
  }

  /// The end of an apostrophe with one of the endings s, t, re, ve, m, ll, d.
  func endOfContraction(from start: Int, anyCase: Bool) -> Int? {
    guard has(UInt8(ascii: "'"), at: start), start + 1 < end else { return nil }
    func letter(_ offset: Int) -> UInt8 {
      guard start + offset < end else { return 0 }
      let byte = text[start + offset]
      return anyCase && (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
    }
    switch (letter(1), letter(2)) {
    case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _),
      (UInt8(ascii: "d"), _):
      return start + 2
    case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
      (UInt8(ascii: "l"), UInt8(ascii: "l")):
      return start + 3
    // The long s, U+017F, is an s in another case.
    case (0xC5, 0xBF) where anyCase: return start + 3
    default: return nil
    }
  }
}
