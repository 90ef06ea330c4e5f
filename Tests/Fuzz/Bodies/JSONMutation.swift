import StrictJSON
import TestSupport

/// Changes JSON token by token, so that most results are JSON still.
enum JSONMutation {
  static func mutate(_ text: [UInt8], _ random: inout SeededGenerator) -> [UInt8]? {
    var text = text
    for _ in 0..<Int.random(in: 1...2, using: &random) {
      let parts = JSONPart.all(of: text)
      guard let part = parts.randomElement(using: &random) else { return nil }
      change(&text, part, parts, &random)
    }
    return text
  }

  private static func change(
    _ text: inout [UInt8], _ part: JSONPart, _ parts: [JSONPart], _ random: inout SeededGenerator
  ) {
    let other = parts.randomElement(using: &random) ?? part
    switch Int.random(in: 0..<10, using: &random) {
    case 0, 1: text.replaceSubrange(part.value, with: value(of: part.kind, &random))
    case 2: text.replaceSubrange(part.value, with: anyValue(&random))
    case 3: delete(&text, part)
    case 4: text.insert(contentsOf: [comma] + text[part.whole], at: part.whole.upperBound)
    case 5: text.replaceSubrange(part.value, with: Array(text[other.value]))
    case 6: swap(&text, part, other)
    case 7: rename(&text, part, parts, &random)
    case 8: insert(&text, part, &random)
    default: replaceAll(&text, part, parts, &random)
    }
  }

  private static let comma = UInt8(ascii: ",")

  /// Takes a member or an element away, with one comma where there is one.
  private static func delete(_ text: inout [UInt8], _ part: JSONPart) {
    var range = part.whole
    if range.upperBound < text.count, text[range.upperBound] == comma {
      range = range.lowerBound..<range.upperBound + 1
    } else if range.lowerBound > 0, text[range.lowerBound - 1] == comma {
      range = range.lowerBound - 1..<range.upperBound
    }
    text.removeSubrange(range)
  }

  /// Exchanges two values, unless one is in the other.
  private static func swap(_ text: inout [UInt8], _ one: JSONPart, _ two: JSONPart) {
    let (first, second) =
      one.value.lowerBound < two.value.lowerBound ? (one.value, two.value) : (two.value, one.value)
    guard first.upperBound <= second.lowerBound else { return }
    let (early, late) = (Array(text[first]), Array(text[second]))
    text.replaceSubrange(second, with: early)
    text.replaceSubrange(first, with: late)
  }

  /// Gives a member another key, sometimes that of another member.
  private static func rename(
    _ text: inout [UInt8], _ part: JSONPart, _ parts: [JSONPart], _ random: inout SeededGenerator
  ) {
    guard part.isMember else { return }
    let members = parts.filter(\.isMember)
    let key: [UInt8]
    if random.oneIn(2), let other = members.randomElement(using: &random) {
      key = Array(text[other.whole.lowerBound..<other.value.lowerBound])
    } else {
      key = quoted(FuzzWords.keys.randomElement(using: &random)) + [UInt8(ascii: ":")]
    }
    text.replaceSubrange(part.whole.lowerBound..<part.value.lowerBound, with: key)
  }

  /// Adds a member or an element before another.
  private static func insert(
    _ text: inout [UInt8], _ part: JSONPart, _ random: inout SeededGenerator
  ) {
    let key =
      part.isMember
      ? quoted(FuzzWords.keys.randomElement(using: &random)) + [UInt8(ascii: ":")] : []
    text.insert(contentsOf: key + anyValue(&random) + [comma], at: part.whole.lowerBound)
  }

  /// Gives all equal values another one: a rank, say, or a name, wherever it stands.
  private static func replaceAll(
    _ text: inout [UInt8], _ part: JSONPart, _ parts: [JSONPart], _ random: inout SeededGenerator
  ) {
    let (old, new) = (Array(text[part.value]), value(of: part.kind, &random))
    // From the end on, so that places stay; what is inside a value that was replaced is gone.
    var end = text.count
    for other in parts.reversed() where other.value.upperBound <= end {
      guard text[other.value] == old[...] else { continue }
      text.replaceSubrange(other.value, with: new)
      end = other.value.lowerBound
    }
  }
}

// MARK: - Values

extension JSONMutation {
  /// A value of a kind, one that is often a limit.
  static func value(of kind: JSONReader.Kind, _ random: inout SeededGenerator) -> [UInt8] {
    switch kind {
    case .number:
      if random.oneIn(2) { return Array("\(Int.random(in: 0...40, using: &random))".utf8) }
      return Array((FuzzWords.numbers.randomElement(using: &random) ?? "0").utf8)
    case .string:
      let words =
        [FuzzWords.strings, FuzzWords.keys, FuzzWords.operations, FuzzWords.methods]
        .randomElement(using: &random)
      return quoted(words?.randomElement(using: &random))
    case .boolean: return Array((random.oneIn(2) ? "true" : "false").utf8)
    case .null: return Array("null".utf8)
    case .array:
      let count = Int.random(in: 0...3, using: &random)
      return Array("[".utf8)
        + Array((0..<count).map { _ in value(of: .number, &random) }.joined(separator: [comma]))
        + Array("]".utf8)
    case .object: return Array((random.oneIn(2) ? "{}" : #"{"a":0}"#).utf8)
    }
  }

  private static func anyValue(_ random: inout SeededGenerator) -> [UInt8] {
    let kinds: [JSONReader.Kind] = [.number, .string, .boolean, .null, .array, .object]
    return value(of: kinds.randomElement(using: &random) ?? .null, &random)
  }

  private static func quoted(_ text: String?) -> [UInt8] { Array("\"\(text ?? "")\"".utf8) }
}
