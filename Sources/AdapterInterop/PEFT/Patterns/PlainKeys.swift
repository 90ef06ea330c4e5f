/// Keys of a pattern table that say no more than a module's name, or its ending, with dots that stand for any character, and
/// with `^` and `$` around them or not: most tables list modules so, thousands of them, which needs no machine.
struct PlainKeys {
  /// Keys of one length, with dots at the same places, and the number of the first of each.
  private struct Shape: Hashable {
    let count: Int
    let dots: [Int]
    /// True if it is the whole name, not an ending.
    let isWhole: Bool
  }

  private var keys: [Shape: [[Unicode.Scalar]: Int]] = [:]

  /// Adds a key.
  ///
  /// - Parameters:
  ///   - key: the key.
  ///   - number: its number, which decides between several that match: ascending from call to call.
  /// - Returns: whether it is plain.
  mutating func add(_ key: String, number: Int) -> Bool {
    let isWhole = key.hasPrefix("^")
    let bare = key.dropFirst(isWhole ? 1 : 0)
    let isEnded = bare.hasSuffix("$") && !bare.hasSuffix("\\$")
    guard let plain = Self.plain(String(bare.dropLast(isEnded ? 1 : 0))) else { return false }
    let dots = plain.indices.filter { plain[$0] == nil }
    let shape = Shape(count: plain.count, dots: dots, isWhole: isWhole)
    let text = plain.map { $0 ?? "." }
    if keys[shape]?[text] == nil { keys[shape, default: [:]][text] = number }
    return true
  }

  /// The number of the first key that a name is, or that it ends with behind a dot.
  ///
  /// - Parameters:
  ///   - name: a module's name.
  ///   - cost: grows with the work.
  /// - Returns: the number; nil where there is none.
  func first(for name: [Unicode.Scalar], _ cost: inout Int) -> Int? {
    var first: Int?
    for (shape, keys) in keys {
      cost += 1
      let start = name.count - shape.count
      guard start == 0 || (start > 0 && !shape.isWhole && name[start - 1] == ".") else { continue }
      cost += shape.count
      var ending = Array(name[start...])
      guard !shape.dots.contains(where: { ending[$0] == "\n" }) else { continue }
      for dot in shape.dots { ending[dot] = "." }
      if let number = keys[ending], number < first ?? .max { first = number }
    }
    return first
  }

  /// A key without anything that a regular expression gives a meaning, but for dots: nil for one that is not escaped.
  private static func plain(_ key: String) -> [Unicode.Scalar?]? {
    var plain: [Unicode.Scalar?] = []
    var isEscaped = false
    for scalar in key.unicodeScalars {
      switch (scalar, isEscaped) {
      case ("\\", false):
        isEscaped = true
        continue
      case (".", true): plain.append(scalar)
      case (".", false): plain.append(nil)
      case ("a"..."z", false), ("A"..."Z", false), ("0"..."9", false), ("_", false), ("-", false):
        plain.append(scalar)
      default: return nil
      }
      isEscaped = false
    }
    return isEscaped || plain.isEmpty ? nil : plain
  }
}
