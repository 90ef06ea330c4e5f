/// A kind of characters that the patterns of tokenizers tell apart.
///
/// The `tokenizers` package 0.23 matches its patterns with the classes of Unicode 16.0, splits digits by
/// Unicode 17.0 and composes by Unicode 9.0. A character that is newer than that is none of the classes
/// there, so each character's age is looked at too, and the results are the same whatever
/// version this program's own tables have (17.0 in Swift 6.3).
enum CharacterKind: UInt8 {
  case letter, number, newline, space, other

  /// True if it matches `\s`.
  var isSpace: Bool { self == .space || self == .newline }

  /// The kind of a character, as `\p{L}`, `\p{N}` and `\s` see it.
  init(_ scalar: Unicode.Scalar) {
    switch scalar.value {
    case 0x41...0x5A, 0x61...0x7A: self = .letter
    case 0x30...0x39: self = .number
    case 0x0A, 0x0D: self = .newline
    case 0x20, 0x09, 0x0B, 0x0C: self = .space
    case 0..<0x80: self = .other
    // Cyrillic, kana, Chinese and Hangul: all old letters, and common.
    case 0x400...0x481, 0x3041...0x3096, 0x30A1...0x30FA, 0x4E00...0x9FEF, 0xAC00...0xD7A3:
      self = .letter
    default: self = Self.lookUp(scalar)
    }
  }

  private static func lookUp(_ scalar: Unicode.Scalar) -> CharacterKind {
    let properties = scalar.properties
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
      return scalar.isKnown(to: 16) ? .letter : .other
    case .decimalNumber, .letterNumber, .otherNumber:
      return scalar.isKnown(to: 16) ? .number : .other
    default: return properties.isWhitespace ? .space : .other
    }
  }
}

extension Unicode.Scalar {
  /// Returns true if this version of Unicode has the character.
  func isKnown(to version: Int) -> Bool {
    guard let age = properties.age else { return false }
    return age.major < version || age.major == version && age.minor == 0
  }

  /// True if it is split off as a digit.
  var isDigit: Bool {
    if value < 0x80 { return (0x30...0x39).contains(value) }
    switch properties.generalCategory {
    case .decimalNumber, .letterNumber, .otherNumber: return isKnown(to: 17)
    default: return false
    }
  }

  /// True if it matches `\w`.
  var isWord: Bool {
    let properties = properties
    guard isKnown(to: 16) else { return false }
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation:
      return true
    default: return properties.isAlphabetic || properties.isJoinControl
    }
  }
}

/// Characters of a text that is known to be well-formed UTF-8.
enum Scalars {
  /// The character that begins at a place, and its number of bytes.
  static func decode(_ text: [UInt8], at index: Int) -> (scalar: Unicode.Scalar, count: Int) {
    let first = UInt32(text[index])
    if first < 0x80 { return (Unicode.Scalar(UInt8(first)), 1) }
    let count = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
    var value = first & (0x7F >> UInt32(count))
    for offset in 1..<count where index + offset < text.count {
      value = value << 6 | UInt32(text[index + offset] & 0x3F)
    }
    return (Unicode.Scalar(value) ?? "\u{FFFD}", count)
  }

  /// The character that ends before a place, which is not the first.
  static func decode(_ text: [UInt8], before index: Int) -> (scalar: Unicode.Scalar, count: Int) {
    var start = index - 1
    while start > 0, text[start] & 0xC0 == 0x80 { start -= 1 }
    return decode(text, at: start)
  }
}
