/// Texts that end an answer. What may be the beginning of one is held back until it is known.
package struct StopTexts {
  private let stops: [[UInt8]]
  private var held: [UInt8] = []

  /// - Parameter stops: texts, none of them empty.
  package init(_ stops: [String]) {
    self.stops = stops.map { Array($0.utf8) }
  }

  /// Takes the next piece of the answer.
  ///
  /// - Parameter piece: whole characters.
  /// - Returns: what can be shown, and whether the answer has ended.
  package mutating func append(_ piece: String) -> (shown: String, isEnd: Bool) {
    guard !stops.isEmpty else { return (piece, false) }
    held += piece.utf8
    for start in held.indices {
      if stops.contains(where: { held[start...].starts(with: $0) }) {
        return (taken(start), true)
      }
      // The rest may become one of them.
      if stops.contains(where: { $0.starts(with: held[start...]) }) { return (taken(start), false) }
    }
    return (taken(held.count), false)
  }

  /// Returns the text that was held back for nothing.
  package mutating func finish() -> String { taken(held.count) }

  private mutating func taken(_ count: Int) -> String {
    defer { held.removeFirst(count) }
    return String(decoding: held[..<count], as: UTF8.self)
  }
}
