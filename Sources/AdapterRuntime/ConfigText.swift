/// The text of a model's `config.json`, changed in single values: the rest stays as its author wrote
/// it.
struct ConfigText {
  private(set) var text: String

  init(_ text: String) {
    self.text = text
  }

  /// Sets a key, on every level where it has the value `old`; where no level has the key, it is added
  /// to the top.
  mutating func set(_ key: String, from old: String, to new: String) {
    let quoted = "\"\(key)\""
    var result = ""
    var rest = text[...]
    var isKnown = false
    while let place = rest.firstRange(of: quoted) {
      result += rest[..<place.upperBound]
      rest = rest[place.upperBound...]
      let separator = rest.prefix { $0 == ":" || $0.isWhitespace }
      // The same word as a value is no key.
      guard separator.contains(":") else { continue }
      isKnown = true
      let value = rest.dropFirst(separator.count).prefix { $0.isLetter || $0.isNumber }
      guard value == old else { continue }
      result += separator + new
      rest = rest[value.endIndex...]
    }
    result += rest
    if !isKnown, let brace = result.firstIndex(of: "{") {
      let next = result.index(after: brace)
      let isEmpty = result[next...].first { !$0.isWhitespace } == "}"
      result.insert(contentsOf: "\n  \(quoted): \(new)\(isEmpty ? "" : ",")", at: next)
    }
    text = result
  }
}
