internal import StrictJSON

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
    if !replace(key, from: [old], with: new) { insert(key, new) }
  }

  /// Adds a key before all others.
  private mutating func insert(_ key: String, _ json: String) {
    guard let brace = text.firstIndex(of: "{") else { return }
    let next = text.index(after: brace)
    let isEmpty = text[next...].first { !$0.isWhitespace } == "}"
    text.insert(contentsOf: "\n  \"\(key)\": \(json)\(isEmpty ? "" : ",")", at: next)
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

// MARK: - Whole values of the top level

extension ConfigText {
  /// Sets a key of the top level to any JSON, in the place of its value or before all others.
  mutating func setWhole(_ key: String, to json: String) {
    if let member = member(key) {
      text.replaceSubrange(member.value, with: json)
    } else {
      insert(key, json)
    }
  }

  /// Gives a key of the top level a value, where it has none.
  mutating func addWhole(_ key: String, _ json: String) {
    if member(key) == nil { insert(key, json) }
  }

  /// Removes a key on every level where it is there.
  mutating func removeEverywhere(_ key: String) {
    while let member = member(key, onAnyLevel: true) { remove(member) }
  }

  /// Removes a key of the top level, where it is there.
  mutating func removeWhole(_ key: String) {
    if let member = member(key) { remove(member) }
  }

  private mutating func remove(_ member: (key: String.Index, value: Range<String.Index>)) {
    var (start, end) = (member.key, member.value.upperBound)
    let after = scalars[end...].firstIndex { !$0.properties.isWhitespace }
    if let after, scalars[after] == "," {
      end =
        scalars[scalars.index(after: after)...].firstIndex { !$0.properties.isWhitespace }
        ?? text.endIndex
    } else if let before = scalars[..<start].lastIndex(where: { !$0.properties.isWhitespace }),
      scalars[before] == ","
    {
      start = before
    }
    text.removeSubrange(start..<end)
  }

  /// How many members the object has that a key of the top level stands for; nil where it does not.
  func memberCount(of key: String) -> Int? {
    guard let member = member(key),
      case .object(let members) = try? JSONValue(
        document: Array(text[member.value].utf8), maximumDepth: 4)
    else { return nil }
    return members.count
  }

  /// A mark that combines with a quote makes one character of both, and is a part of the string all the same.
  private var scalars: String.UnicodeScalarView { text.unicodeScalars }

  /// Where a key of the top level and its value are.
  private func member(
    _ key: String, onAnyLevel: Bool = false
  ) -> (key: String.Index, value: Range<String.Index>)? {
    var depth = 0
    var place = text.startIndex
    while place < text.endIndex {
      switch scalars[place] {
      case "\"":
        let end = endOfString(place)
        let next = scalars[end...].firstIndex { !$0.properties.isWhitespace } ?? text.endIndex
        if depth == 1 || onAnyLevel, next < text.endIndex, scalars[next] == ":",
          isString(text[place..<end], key)
        {
          let start = scalars[scalars.index(after: next)...].firstIndex {
            !$0.properties.isWhitespace
          }
          return start.map { (place, $0..<endOfValue($0)) }
        }
        place = end
        continue
      case "{", "[": depth += 1
      case "}", "]": depth -= 1
      default: break
      }
      place = scalars.index(after: place)
    }
    return nil
  }

  /// Returns true if a string in quotes stands for a text, however it is escaped.
  private func isString(_ quoted: Substring, _ text: String) -> Bool {
    guard case .string(let value) = try? JSONValue(document: Array(quoted.utf8), maximumDepth: 1)
    else { return false }
    return Name(value) == Name(text)
  }

  /// Behind the quote that ends a string.
  private func endOfString(_ start: String.Index) -> String.Index {
    var place = scalars.index(after: start)
    while place < text.endIndex, scalars[place] != "\"" {
      if scalars[place] == "\\" { place = scalars.index(after: place) }
      if place < text.endIndex { place = scalars.index(after: place) }
    }
    return place < text.endIndex ? scalars.index(after: place) : place
  }

  private func endOfValue(_ start: String.Index) -> String.Index {
    var depth = 0
    var place = start
    while place < text.endIndex {
      switch scalars[place] {
      case "\"":
        place = endOfString(place)
        if depth == 0 { return place }
        continue
      case "{", "[": depth += 1
      case "}", "]":
        if depth == 0 { return place }
        depth -= 1
        if depth == 0 { return scalars.index(after: place) }
      case ",": if depth == 0 { return place }
      default: if depth == 0, scalars[place].properties.isWhitespace { return place }
      }
      place = scalars.index(after: place)
    }
    return place
  }
}
