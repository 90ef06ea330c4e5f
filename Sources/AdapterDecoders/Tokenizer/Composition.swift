internal import Foundation

/// Canonical composition (NFC), for the tokenizers that ask for it.
enum Composition {
  /// Appends a text, composed.
  static func append(_ text: ArraySlice<UInt8>, to output: inout [UInt8]) {
    // All below U+0300 stays as it is.
    guard text.contains(where: { $0 >= 0xCC }) else {
      output.append(contentsOf: text)
      return
    }
    let string = String(decoding: text, as: UTF8.self)
    guard !isInert(string.unicodeScalars) else {
      output.append(contentsOf: text)
      return
    }
    // Characters that the package does not know neither move nor compose: what is on both sides of
    // them is composed by itself.
    var known = String.UnicodeScalarView()
    for scalar in string.unicodeScalars {
      if scalar.isKnown(to: 9) {
        known.append(scalar)
      } else {
        flush(&known, to: &output)
        output.append(contentsOf: String(scalar).utf8)
      }
    }
    flush(&known, to: &output)
  }

  private static func flush(
    _ known: inout String.UnicodeScalarView, to output: inout [UInt8]
  ) {
    guard !known.isEmpty else { return }
    let composed = String(known).precomposedStringWithCanonicalMapping.unicodeScalars
    known = String.UnicodeScalarView()
    guard composed.contains(where: { finalConsonants.contains($0.value) }) else {
      output.append(contentsOf: String(composed).utf8)
      return
    }
    output.append(contentsOf: String(joiningHangul(composed)).utf8)
  }

  private static let finalConsonants: ClosedRange<UInt32> = 0x11A8...0x11C2

  /// Joins Hangul syllables that end with a vowel and the consonants right after them, which
  /// Foundation leaves apart where the syllable was composed from the start.
  private static func joiningHangul(
    _ scalars: String.UnicodeScalarView
  ) -> String.UnicodeScalarView {
    var joined = String.UnicodeScalarView()
    for scalar in scalars {
      if finalConsonants.contains(scalar.value), let last = joined.last,
        (0xAC00...0xD7A3).contains(last.value), (last.value - 0xAC00) % 28 == 0,
        let whole = Unicode.Scalar(last.value + scalar.value - 0x11A7)
      {
        joined.removeLast()
        joined.append(whole)
      } else {
        joined.append(scalar)
      }
    }
    return joined
  }

  /// Whether all characters are ones that stay as they are beside each other: most texts need no
  /// more than this look.
  private static func isInert(_ scalars: String.UnicodeScalarView) -> Bool {
    scalars.allSatisfy { scalar in
      switch scalar.value {
      case 0..<0x300, 0x388...0x482, 0x2010...0x2027, 0x3001...0x3029, 0x3041...0x3096,
        0x30A1...0x30FA, 0x4E00...0x9FFF, 0xAC00...0xD7A3, 0xFF01...0xFF9F, 0x1F300...0x1FAFF:
        true
      default: false
      }
    }
  }
}
