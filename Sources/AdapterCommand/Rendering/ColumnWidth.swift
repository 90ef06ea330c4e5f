extension Character {
  /// Columns that a terminal gives it: two for East Asian wide characters and emoji, none for marks that
  /// stand alone (Unicode Standard Annex 11, in ranges).
  fileprivate var columnCount: Int {
    guard let first = unicodeScalars.first else { return 0 }
    if unicodeScalars.contains(where: { $0.properties.isEmojiPresentation }) { return 2 }
    switch first.value {
    case ..<0x300: return 1
    case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0xA4CF,
      0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6,
      0x20000...0x3FFFD:
      return 2
    default: return first.properties.generalCategory == .nonspacingMark ? 0 : 1
    }
  }
}

extension StringProtocol {
  /// Columns that a terminal gives it.
  var columnCount: Int {
    utf8.allSatisfy { $0 < 0x80 } ? utf8.count : reduce(0) { $0 + $1.columnCount }
  }

  /// Returns true if it is no wider than this; only the start of a long text is looked at.
  func fits(_ width: Int) -> Bool {
    var used = 0
    for character in self {
      used += character.columnCount
      if used > width { return false }
    }
    return true
  }

  /// As many characters of its start as a width holds.
  func fitting(_ width: Int) -> SubSequence {
    var (used, end) = (0, startIndex)
    while end < endIndex {
      used += self[end].columnCount
      if used > width { break }
      end = index(after: end)
    }
    return self[..<end]
  }
}

extension String {
  /// Cut to a width, the cut shown.
  func cut(to width: Int) -> String {
    fits(width) ? self : String(fitting(width - 1)) + "…"
  }

  /// Cut to a width at its start, the cut shown: the end of a dotted name says most.
  func cutStart(to width: Int) -> String {
    guard !fits(width) else { return self }
    return "…" + String(String(reversed()).fitting(width - 1).reversed())
  }
}
