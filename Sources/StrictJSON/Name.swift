/// A text that is compared, hashed and sorted by its UTF-8 bytes.
///
/// Names in files are bytes. Swift's `String` holds canonically equivalent texts equal (a composed
/// and a decomposed "é", the Kelvin sign and "K"), so two tensors could become one; a `Name` never
/// does that.
public struct Name: Sendable, Hashable, Comparable, ExpressibleByStringLiteral {
  /// The text itself.
  public let text: String

  /// Wraps a text.
  public init(_ text: String) {
    self.text = text
  }

  /// Wraps a literal.
  public init(stringLiteral value: String) {
    text = value
  }

  /// Returns true if both have the same UTF-8 bytes.
  public static func == (left: Name, right: Name) -> Bool {
    var (left, right) = (left.text, right.text)
    // Most that differ do so in length, which says so without a look at the bytes.
    guard left.utf8.count == right.utf8.count else { return false }
    return left.withUTF8 { left in
      right.withUTF8 { right in
        // No branch inside, so that this becomes vector code.
        var difference: UInt8 = 0
        for index in 0..<left.count { unsafe difference |= left[index] ^ right[index] }
        return difference == 0
      }
    }
  }

  /// Returns true if the left one's UTF-8 bytes sort before the right one's.
  public static func < (left: Name, right: Name) -> Bool {
    var (left, right) = (left.text, right.text)
    return left.withUTF8 { left in
      right.withUTF8 { right in
        let count = min(left.count, right.count)
        var index = 0
        while index < count, unsafe left[index] == right[index] { index &+= 1 }
        return unsafe index < count ? left[index] < right[index] : left.count < right.count
      }
    }
  }

  /// Feeds the UTF-8 bytes to the hasher.
  public func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}

extension Name: CustomStringConvertible {
  /// The text itself; printing code escapes it first.
  public var description: String { text }
}

extension Name {
  /// Returns true if the UTF-8 bytes end with those of `suffix`.
  public func hasSuffix(_ suffix: Name) -> Bool {
    text.utf8.count >= suffix.text.utf8.count
      && text.utf8.suffix(suffix.text.utf8.count).elementsEqual(suffix.text.utf8)
  }

  /// Returns true if the UTF-8 bytes begin with those of `prefix`.
  public func hasPrefix(_ prefix: Name) -> Bool {
    text.utf8.starts(with: prefix.text.utf8)
  }

  /// The name without its first `count` bytes; `count` is the length of a prefix it has.
  public func dropFirst(_ count: Int) -> Name {
    Name(String(decoding: text.utf8.dropFirst(count), as: UTF8.self))
  }

  /// The name without its last `count` bytes; `count` is the length of a suffix it has.
  public func dropLast(_ count: Int) -> Name {
    Name(String(decoding: text.utf8.dropLast(count), as: UTF8.self))
  }
}
