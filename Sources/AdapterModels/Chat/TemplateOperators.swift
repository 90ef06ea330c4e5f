extension TemplateRenderer {
  /// Two values, and a sign between them.
  mutating func join(
    _ left: TemplateValue, _ sign: String, _ right: TemplateValue
  ) throws(TemplateFault) -> TemplateValue {
    switch (left, sign, right) {
    case (_, "~", _): return try .text(joined(left.written(), right.written()))
    case (.text(let first), "+", .text(let second)): return .text(try joined(first, second))
    case (.list(let first), "+", .list(let second)):
      try spend(first.count + second.count)
      return .list(first + second)
    default: break
    }
    guard let first = left.number, let second = right.number else {
      throw TemplateFault("\(sign.quotedForError) between \(left.kind) and \(right.kind)")
    }
    guard second != 0 || !["//", "%"].contains(sign) else {
      throw TemplateFault("a division by zero")
    }
    let result: (partialValue: Int, overflow: Bool) =
      switch sign {
      case "+": first.addingReportingOverflow(second)
      case "-": first.subtractingReportingOverflow(second)
      case "*": first.multipliedReportingOverflow(by: second)
      case "//", "%":
        // Rounded down, and a remainder with the divisor's sign.
        Self.divided(first, second, wantsRemainder: sign == "%")
      default: throw .unsupported("the sign \(sign.quotedForError)")
      }
    guard !result.overflow else { throw TemplateFault("a number is too large") }
    return .integer(result.partialValue)
  }

  private static func divided(
    _ first: Int, _ second: Int, wantsRemainder: Bool
  ) -> (partialValue: Int, overflow: Bool) {
    let (quotient, overflow) = first.dividedReportingOverflow(by: second)
    guard !overflow else { return (0, true) }
    let remainder = first - quotient * second
    let isLower = remainder != 0 && (remainder < 0) != (second < 0)
    return (
      wantsRemainder ? remainder + (isLower ? second : 0) : quotient - (isLower ? 1 : 0), false
    )
  }

  mutating func joined(_ first: [UInt8], _ second: [UInt8]) throws(TemplateFault) -> [UInt8] {
    try spend(bytes: first.count + second.count)
    return first + second
  }

  /// Returns true if a comparison holds.
  mutating func compare(
    _ left: TemplateValue, _ sign: String, _ right: TemplateValue
  ) throws(TemplateFault) -> Bool {
    switch sign {
    case "==": return try areEqual(left, right)
    case "!=": return try !areEqual(left, right)
    case "in": return try contains(right, left)
    case "not in": return try !contains(right, left)
    default:
      let (first, second) = (
        try left.number(for: sign.quotedForError), try right.number(for: sign.quotedForError)
      )
      switch sign {
      case "<": return first < second
      case ">": return first > second
      case "<=": return first <= second
      default: return first >= second
      }
    }
  }

  mutating func areEqual(
    _ left: TemplateValue, _ right: TemplateValue
  ) throws(TemplateFault) -> Bool {
    try spend()
    switch (left, right) {
    case (.undefined, .undefined), (.none, .none): return true
    case (.text(let first), .text(let second)):
      try spend(bytes: min(first.count, second.count))
      return first == second
    case (.list(let first), .list(let second)):
      guard first.count == second.count else { return false }
      for (one, other) in zip(first, second) where try !areEqual(one, other) { return false }
      return true
    case (.map(let first), .map(let second)):
      guard first.count == second.count else { return false }
      for (key, one) in first {
        guard let other = second[key], try areEqual(one, other) else { return false }
      }
      return true
    case (.namespace(let first), .namespace(let second)): return first === second
    case (.function(let first), .function(let second)): return first == second
    default:
      guard let first = left.number, let second = right.number else { return false }
      return first == second
    }
  }

  mutating func contains(
    _ whole: TemplateValue, _ part: TemplateValue
  ) throws(TemplateFault) -> Bool {
    switch whole {
    case .text(let bytes):
      let wanted = try part.text(for: "\"in\"")
      return try !places(of: wanted, in: bytes, limit: 1).isEmpty || wanted.isEmpty
    case .list(let values):
      for value in values where try areEqual(value, part) { return true }
      return false
    case .map(let members):
      guard case .text(let key) = part else { return false }
      return members[String(decoding: key, as: UTF8.self)] != nil
    case .undefined: return false
    default: throw TemplateFault("\"in\" of \(whole.kind)")
    }
  }

  /// Where a text that is not empty begins in another, without overlaps.
  mutating func places(
    of part: [UInt8], in text: [UInt8], limit: Int = .max
  ) throws(TemplateFault) -> [Int] {
    try spend(bytes: text.count)
    guard let first = part.first, text.count >= part.count else { return [] }
    var places: [Int] = []
    var index = 0
    while index <= text.count - part.count, places.count < limit {
      if text[index] == first {
        try spend(bytes: part.count)
        if text[index...].starts(with: part) {
          places.append(index)
          index += part.count
          continue
        }
      }
      index += 1
    }
    return places
  }

  /// Refuses values that hold others too deep, whose release would take too much of the stack.
  mutating func checkDepth(_ value: TemplateValue, limit: Int = 8) throws(TemplateFault) {
    let inner: [TemplateValue]
    switch value {
    case .list(let values): inner = values
    case .map(let members): inner = Array(members.values)
    case .namespace: throw .unsupported("a namespace in a value")
    default: return
    }
    guard limit > 0 else { throw TemplateFault("a value is too deep") }
    try spend(inner.count)
    for value in inner { try checkDepth(value, limit: limit - 1) }
  }

  // MARK: - Parts

  /// Returns the elements that a loop goes through.
  mutating func elements(of value: TemplateValue) throws(TemplateFault) -> [TemplateValue] {
    switch value {
    case .list(let values):
      try spend(values.count)
      return values
    case .undefined: return []
    default: throw TemplateFault("a loop through \(value.kind)")
    }
  }

  func member(_ value: TemplateValue, _ key: TemplateValue) throws(TemplateFault) -> TemplateValue {
    switch (value, key) {
    case (.undefined, _): throw TemplateFault("a member of \(value.kind)")
    case (.map(let members), .text(let name)):
      let name = String(decoding: name, as: UTF8.self)
      return members[name] ?? .undefined(name)
    case (.namespace(let space), .text(let name)):
      let name = String(decoding: name, as: UTF8.self)
      return space.members[name] ?? .undefined(name)
    case (.list(let values), .integer(let place)):
      let index = place < 0 ? values.count + place : place
      return values.indices.contains(index) ? values[index] : .undefined("an element")
    case (.text, .integer):
      let one = try slice(value, [key, place(after: key)])
      return one.isTrue ? one : .undefined("a character")
    case (_, .text(let name)): return .undefined(String(decoding: name, as: UTF8.self))
    default: throw .unsupported("a place in \(value.kind)")
    }
  }

  private func place(after key: TemplateValue) -> TemplateValue? {
    guard case .integer(let place) = key, place != -1, place < .max else { return nil }
    return .integer(place + 1)
  }

  /// `a[from:to:step]`, as Python means it.
  func slice(
    _ value: TemplateValue, _ bounds: [TemplateValue?]
  ) throws(TemplateFault) -> TemplateValue {
    guard bounds.count <= 3 else { throw .unsupported("a slice of this form") }
    var numbers: [Int?] = []
    for bound in bounds {
      if let bound, case .none = bound {
        numbers.append(nil)
      } else {
        numbers.append(try bound?.number(for: "a slice"))
      }
    }
    let step = numbers.count > 2 ? numbers[2] ?? 1 : 1
    guard step == 1 || step == -1 else { throw .unsupported("a slice of this step") }
    func chosen<Element>(_ all: [Element]) -> [Element] {
      let count = all.count
      func bounded(_ place: Int?, _ otherwise: Int) -> Int {
        guard let place else { return otherwise }
        let lowest = step > 0 ? 0 : -1
        // A negative place counts from the end.
        return min(max(place < 0 ? place + count : place, lowest), count + lowest)
      }
      if step > 0 {
        let (start, end) = (
          bounded(numbers[0], 0), bounded(numbers.count > 1 ? numbers[1] : nil, count)
        )
        return start < end ? Array(all[start..<end]) : []
      }
      let start = bounded(numbers[0], count - 1)
      let end = bounded(numbers.count > 1 ? numbers[1] : nil, -1)
      return start > end ? Array(all[(end + 1)...start].reversed()) : []
    }
    switch value {
    case .list(let values): return .list(chosen(values))
    case .text(let bytes):
      let scalars = Array(String(decoding: bytes, as: UTF8.self).unicodeScalars)
      var text = String.UnicodeScalarView()
      text.append(contentsOf: chosen(scalars))
      return .text(String(text))
    default: throw TemplateFault("a slice of \(value.kind)")
    }
  }
}
