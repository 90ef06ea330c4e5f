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
    let composed = String(known).precomposedStringWithCanonicalMapping
    output.append(contentsOf: composed.utf8)
    known = String.UnicodeScalarView()
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
