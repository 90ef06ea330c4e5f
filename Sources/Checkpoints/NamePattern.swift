public import StrictJSON

/// A pattern for names, as shells have them: `*` stands for any bytes, dots too, and `?` for one.
public struct NamePattern: Sendable, Hashable, CustomStringConvertible {
  /// The pattern itself.
  public let text: String
  private let bytes: [UInt8]

  private static let star = UInt8(ascii: "*")
  private static let anyByte = UInt8(ascii: "?")

  /// Takes a pattern; every text is one.
  public init(_ text: String) {
    self.text = text
    bytes = Array(text.utf8)
  }

  /// The pattern itself.
  public var description: String { text }

  /// True if anything in it stands for other bytes.
  public var isPattern: Bool { bytes.contains(Self.star) || bytes.contains(Self.anyByte) }

  /// Returns true if the whole name fits the pattern.
  public func matches(_ name: Name) -> Bool { captures(of: name) != nil }

  /// Returns the text that each `*` stands for, in order; nil if the name does not fit the pattern. Each stands for as
  /// little as it can, the last one for the rest.
  ///
  /// The work is at most the product of both lengths.
  package func captures(of name: Name) -> [String]? {
    let name = Array(name.text.utf8)
    var captures: [Range<Int>] = []
    var (here, place) = (0, 0)
    // Where to go on when what follows the last star does not fit: one byte more for it.
    var retry: Int?
    while place < name.count || here < bytes.count {
      if here < bytes.count, bytes[here] == Self.star {
        captures.append(place..<place)
        here += 1
        retry = here
      } else if here < bytes.count, place < name.count,
        bytes[here] == Self.anyByte || bytes[here] == name[place]
      {
        here += 1
        place += 1
      } else if let start = retry, let last = captures.last, last.upperBound < name.count {
        captures[captures.count - 1] = last.lowerBound..<last.upperBound + 1
        (here, place) = (start, last.upperBound + 1)
      } else {
        return nil
      }
    }
    return captures.map { String(decoding: name[$0], as: UTF8.self) }
  }
}
