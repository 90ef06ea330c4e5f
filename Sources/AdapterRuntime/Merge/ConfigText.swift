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
    let isKnown = replace(key, from: [old], with: new)
    if !isKnown, let brace = text.firstIndex(of: "{") {
      let next = text.index(after: brace)
      let isEmpty = text[next...].first { !$0.isWhitespace } == "}"
      text.insert(contentsOf: "\n  \"\(key)\": \(new)\(isEmpty ? "" : ",")", at: next)
    }
  }

  /// Changes the value of a key on every level where it is one of `old`: numbers, words, or texts in quotes.
  ///
  /// - Returns: whether any level has the key.
  @discardableResult
  mutating func replace(_ key: String, from old: Set<String>, with new: String) -> Bool {
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
      let value = rest.dropFirst(separator.count).prefix {
        $0.isLetter || $0.isNumber || $0 == "\"" || $0 == "_"
      }
      guard old.contains(String(value)) else { continue }
      result += separator + new
      rest = rest[value.endIndex...]
    }
    text = result + rest
    return isKnown
  }
}
