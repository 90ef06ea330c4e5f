/// Canonical composition (NFC), for the tokenizers that ask for it.
///
/// Foundation's has faults in Swift 6.3: it leaves U+AC00 U+11A8 apart, replaces old Hangul by U+FFFD, and does
/// not order what U+0344 and U+0F73 are made of. It is also of a later version of Unicode than the package's.
struct Composition: Sendable {
  /// The tables are made when they are first used: most texts never do.
  private static let tables = CompositionTables()

  /// The characters that may still change: one that stays as it is, and those after it that may not.
  private var segment: [UInt32] = []
  private var classes: [UInt8] = []

  /// Appends a text, composed.
  static func append(_ text: ArraySlice<UInt8>, to output: inout [UInt8]) {
    // All below U+0300 stays as it is.
    guard text.contains(where: { $0 >= 0xCC }) else {
      output.append(contentsOf: text)
      return
    }
    var composition = Composition()
    for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
      if isInert(scalar) {
        composition.flush(to: &output)
        composition.segment.append(scalar.value)
      } else {
        composition.decompose(scalar.value)
      }
    }
    composition.flush(to: &output)
  }

  /// Returns true if a character stays as it is whatever stands before it.
  private static func isInert(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x300, 0x388...0x482, 0x2010...0x2027, 0x3001...0x3029, 0x3041...0x3096,
      0x30A1...0x30FA, 0x4E00...0x9FFF, 0xAC00...0xD7A3, 0xFF01...0xFF9F, 0x1F300...0x1FAFF:
      true
    case 0x1160...0x11FF: false
    default: !tables.mayChange.contains(scalar.value) && Self.combiningClass(scalar.value) == 0
    }
  }

  /// A character that the package's version does not know stays where it is.
  private static func combiningClass(_ value: UInt32) -> UInt8 {
    guard value >= 0x300, let scalar = Unicode.Scalar(value) else { return 0 }
    let number = scalar.properties.canonicalCombiningClass.rawValue
    return number != 0 && scalar.isKnown(to: 9) ? number : 0
  }

  // MARK: - A segment

  private mutating func decompose(_ value: UInt32) {
    if let parts = Self.tables.parts[value] {
      segment.append(contentsOf: parts)
    } else {
      segment.append(value)
    }
  }

  private mutating func flush(to output: inout [UInt8]) {
    if segment.count > 1 {
      // The first one may be composed already, and then be something else with what follows.
      let first = segment.removeFirst()
      let rest = segment
      segment = []
      if let parts = Hangul.parts(of: first) { segment += parts } else { decompose(first) }
      segment += rest
      order()
      compose()
    }
    for value in segment {
      output.append(contentsOf: (Unicode.Scalar(value) ?? "\u{FFFD}").utf8)
    }
    segment.removeAll(keepingCapacity: true)
  }

  /// Puts marks that stand together in the order of their classes.
  private mutating func order() {
    var start = 0
    classes = segment.map(Self.combiningClass)
    while start < segment.count {
      guard classes[start] != 0 else {
        start += 1
        continue
      }
      var end = start
      while end < segment.count, classes[end] != 0 { end += 1 }
      // The sort keeps the order of equal ones.
      let sorted = (start..<end).sorted { classes[$0] < classes[$1] }
      let marks = sorted.map { (segment[$0], classes[$0]) }
      for (offset, mark) in marks.enumerated() {
        (segment[start + offset], classes[start + offset]) = mark
      }
      start = end
    }
  }

  private mutating func compose() {
    var composed: [UInt32] = []
    var starter: Int?
    var lastClass: UInt8 = 0
    for (value, own) in zip(segment, classes) {
      if let place = starter {
        let isNext = place == composed.count - 1
        if isNext || lastClass != 0 && lastClass < own,
          let whole = Self.tables.whole(composed[place], value)
        {
          composed[place] = whole
          continue
        }
      }
      if own == 0 { starter = composed.count }
      lastClass = own
      composed.append(value)
    }
    segment = composed
  }
}

/// Syllables that are computed instead of listed.
enum Hangul {
  /// The parts of a syllable.
  static func parts(of value: UInt32) -> [UInt32]? {
    guard (0xAC00...0xD7A3).contains(value) else { return nil }
    let index = value - 0xAC00
    let parts = [0x1100 + index / 588, 0x1161 + index % 588 / 28]
    return index % 28 == 0 ? parts : parts + [0x11A7 + index % 28]
  }

  /// Returns the composition of two characters; nil if there is none.
  static func whole(_ first: UInt32, _ second: UInt32) -> UInt32? {
    switch (first, second) {
    case (0x1100...0x1112, 0x1161...0x1175):
      0xAC00 + (first - 0x1100) * 588 + (second - 0x1161) * 28
    case (0xAC00...0xD7A3, 0x11A8...0x11C2) where (first - 0xAC00) % 28 == 0:
      first + second - 0x11A7
    default: nil
    }
  }
}

/// The canonical table by character, and backwards by pair.
struct CompositionTables: Sendable {
  /// The full decomposition of each character that has one in the table.
  private(set) var parts: [UInt32: [UInt32]] = [:]
  /// Characters that are made of others, or are the second of a pair.
  private(set) var mayChange: Set<UInt32> = []
  private var wholes: [UInt64: UInt32] = [:]

  init() {
    var composites: [(value: UInt32, parts: [UInt32])] = []
    for word in CanonicalTable.text.description.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
      let numbers = word.split { $0 == "." || $0 == "-" }.compactMap { UInt32($0, radix: 16) }
      guard let value = numbers.first else { continue }
      parts[value] = Array(numbers.dropFirst())
      mayChange.insert(value)
      if !word.contains("-") { composites.append((value, Array(numbers.dropFirst()))) }
    }
    // Those of two parts first: of more, all but the last one are a character by then.
    for (value, parts) in composites.sorted(by: { $0.parts.count < $1.parts.count }) {
      guard var first = parts.first, let last = parts.last else { continue }
      for part in parts.dropFirst().dropLast() { first = whole(first, part) ?? first }
      wholes[UInt64(first) << 32 | UInt64(last)] = value
      mayChange.insert(last)
    }
  }

  /// Returns the composition of two characters; nil if there is none.
  func whole(_ first: UInt32, _ second: UInt32) -> UInt32? {
    Hangul.whole(first, second) ?? wholes[UInt64(first) << 32 | UInt64(second)]
  }
}
