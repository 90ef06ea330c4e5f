/// The identifier of a licence: one of SPDX's list or of the Hugging Face Hub's, or `LicenseRef-…` for one that neither
/// has.
package struct LicenseName: Sendable, Hashable {
  /// As it is recorded: in lower case, but for a `LicenseRef-…`.
  package let text: String

  private static let ownPrefix = "LicenseRef-"

  /// Takes an identifier in whatever letters; nil where no list has it.
  package init?(_ text: String) {
    let lower = text.lowercased()
    if LicenseList.hub.contains(lower) || LicenseList.others.contains(lower) {
      self.text = lower
    } else if text.hasPrefix(Self.ownPrefix), text.utf8.count > Self.ownPrefix.utf8.count,
      text.utf8.allSatisfy(\.isOfIdentifier)
    {
      self.text = text
    } else {
      return nil
    }
  }

  /// True if the Hub takes it in the front matter of a card.
  package var isOnHub: Bool { LicenseList.hub.contains(text) }

  /// The name of a licence that the Hub does not have, without what marks it as one.
  package var ownName: String {
    text.hasPrefix(Self.ownPrefix) ? String(text.dropFirst(Self.ownPrefix.count)) : text
  }

  /// Identifiers that may be meant, the likeliest first.
  package static func nearest(to text: String) -> [String] {
    let wanted = text.prefix(64).lowercased().lettersAndDigits
    guard !wanted.isEmpty else { return [] }
    var found: [(distance: Int, isElsewhere: Bool, name: String)] = []
    for (list, isElsewhere) in [(LicenseList.hub, false), (LicenseList.others, true)] {
      for name in list {
        let letters = name.lettersAndDigits
        let distance = letters.starts(with: wanted) ? 1 : wanted.distance(to: letters)
        if distance <= max(2, wanted.count / 4) { found.append((distance, isElsewhere, name)) }
      }
    }
    return found.sorted {
      ($0.distance, $0.isElsewhere ? 1 : 0, $0.name) < (
        $1.distance, $1.isElsewhere ? 1 : 0, $1.name
      )
    }.prefix(3).map(\.name)
  }
}

extension String {
  /// The letters and digits, on which different spellings of a name agree.
  fileprivate var lettersAndDigits: [UInt8] {
    utf8.filter { $0.isOfIdentifier && $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: ".") }
  }
}

extension [UInt8] {
  /// How many letters must be put in, taken out or exchanged to get another.
  fileprivate func distance(to other: [UInt8]) -> Int {
    var row = Array<Int>(0...other.count)
    for (line, letter) in enumerated() {
      var diagonal = row[0]
      row[0] = line + 1
      for (column, theirs) in other.enumerated() {
        let exchanged = diagonal + (letter == theirs ? 0 : 1)
        diagonal = row[column + 1]
        row[column + 1] = Swift.min(exchanged, diagonal + 1, row[column] + 1)
      }
    }
    return row[other.count]
  }
}

extension UInt8 {
  fileprivate var isOfIdentifier: Bool {
    switch self {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."):
      true
    default: false
    }
  }
}
