// The functions, methods, filters and tests that the forms of conversations use. What is not here is refused by name.
extension TemplateRenderer {
  static let functions: Set<String> = [
    "raise_exception", "namespace", "range", "dict", "strftime_now",
  ]

  mutating func call(
    _ function: TemplateValue, _ arguments: TemplateArguments
  ) throws(TemplateFault) -> TemplateValue {
    guard case .function(let name) = function else {
      throw .unsupported("calling \(function.kind)")
    }
    if let text = try callMacro(name, arguments) { return text }
    switch (name, arguments.values.count) {
    case ("raise_exception", 1):
      // The template refuses the conversation in its own words.
      let words = String(decoding: try arguments.values[0].written(), as: UTF8.self)
      throw TemplateFault("it refuses this conversation: \(words.quotedForError)")
    case ("namespace", 0):
      for value in arguments.named.values { try checkDepth(value) }
      return .namespace(TemplateNamespace(arguments.named))
    case ("dict", 0):
      let value = TemplateValue.map(arguments.named)
      try checkDepth(value)
      return value
    case ("range", 1...3):
      let bounds = try arguments.values.map { value throws(TemplateFault) in
        try value.number(for: "range")
      }
      let (start, end) = bounds.count == 1 ? (0, bounds[0]) : (bounds[0], bounds[1])
      let step = bounds.count == 3 ? bounds[2] : 1
      guard step == 1 || step == -1 else { throw .unsupported("a range of this step") }
      guard step > 0 ? start < end : start > end else { return .list([]) }
      let (count, overflow) = max(start, end).subtractingReportingOverflow(min(start, end))
      try spend(overflow ? .max : count)
      return .list((0..<count).map { .integer(start + step * $0) })
    case ("strftime_now", 1):
      guard let today else { throw TemplateFault("it asks for the date, which is not known") }
      return .text(try today.written(arguments.values[0].text(for: name)))
    default: throw .unsupported("\(name) with these arguments")
    }
  }

  /// `value.name(…)`.
  mutating func call(
    _ name: String, of value: TemplateValue, _ arguments: TemplateArguments
  ) throws(TemplateFault) -> TemplateValue {
    guard arguments.named.isEmpty else { throw .unsupported("\(name)() with named arguments") }
    let values = arguments.values
    switch (value, name, values.count) {
    case (.map(let members), "get", 1...2):
      guard case .text(let key) = values[0] else { break }
      return members[String(decoding: key, as: UTF8.self)] ?? (values.count > 1 ? values[1] : .none)
    case (.text(let text), "startswith", 1):
      return .boolean(text.starts(with: try values[0].text(for: name)))
    case (.text(let text), "endswith", 1):
      return .boolean(text.reversed().starts(with: try values[0].text(for: name).reversed()))
    case (.text(let text), "strip", 0...1), (.text(let text), "lstrip", 0...1),
      (.text(let text), "rstrip", 0...1):
      try spend(bytes: text.count)
      let characters = try values.first?.text(for: name)
      return .text(text.trimmed(characters, left: name != "rstrip", right: name != "lstrip"))
    case (.text(let text), "split", 1):
      return .list(try split(text, at: values[0].text(for: name)).map { .text($0) })
    case (.text(let text), "replace", 2):
      return .text(
        try replace(values[0].text(for: name), in: text, by: values[1].text(for: name)))
    case (.text(let text), "upper", 0), (.text(let text), "lower", 0),
      (.text(let text), "title", 0),
      (.text(let text), "capitalize", 0):
      try spend(bytes: text.count)
      return .text(try Self.recased(text, name))
    default: break
    }
    throw .unsupported("\(name)() of \(value.kind)")
  }

  mutating func filter(
    _ value: TemplateValue, _ name: String, _ arguments: TemplateArguments
  ) throws(TemplateFault) -> TemplateValue {
    let values = arguments.values
    switch (name, values.count) {
    case ("trim", 0...1):
      let text = try value.written()
      try spend(bytes: text.count)
      return .text(text.trimmed(try values.first?.text(for: name), left: true, right: true))
    case ("string", 0): return .text(try value.written())
    case ("safe", 0): return value
    case ("int", 0): return .integer(try value.number(for: "the filter \(name)"))
    case ("upper", 0), ("lower", 0), ("title", 0), ("capitalize", 0):
      return .text(try Self.recased(value.text(for: name), name))
    case ("length", 0), ("count", 0):
      switch value {
      case .text(let text):
        try spend(bytes: text.count)
        return .integer(String(decoding: text, as: UTF8.self).unicodeScalars.count)
      case .list(let all): return .integer(all.count)
      case .map(let members): return .integer(members.count)
      case .undefined: return .integer(0)
      default: break
      }
    case ("first", 0), ("last", 0):
      let all = try elements(of: value)
      return (name == "first" ? all.first : all.last) ?? .undefined("an element")
    case ("list", 0): return .list(try elements(of: value))
    case ("join", 0...1):
      let separator = try values.first?.text(for: name) ?? []
      var text: [UInt8] = []
      for (index, element) in try elements(of: value).enumerated() {
        text = try joined(text, (index > 0 ? separator : []) + element.written())
      }
      return .text(text)
    case ("default", 0...2), ("d", 0...2):
      let isMissing = values.count > 1 && values[1].isTrue ? !value.isTrue : !value.isDefined
      return isMissing ? values.first ?? .text("") : value
    case ("replace", 2):
      return .text(
        try replace(
          values[0].text(for: name), in: value.text(for: name), by: values[1].text(for: name)))
    case ("selectattr", 1...3), ("rejectattr", 1...3):
      var kept: [TemplateValue] = []
      for element in try elements(of: value) {
        let attribute = try member(element, values[0])
        let holds =
          values.count == 1
          ? attribute.isTrue
          : try test(
            attribute, String(decoding: values[1].text(for: name), as: UTF8.self),
            TemplateArguments(Array(values.dropFirst(2))))
        if holds == (name == "selectattr") { kept.append(element) }
      }
      return .list(kept)
    default: break
    }
    throw .unsupported("the filter \(name.quotedForError) of \(value.kind)")
  }

  /// Tests that take a second value.
  static let testsOfTwo: Set<String> = ["equalto", "eq", "ne", "in", "divisibleby", "sameas"]

  mutating func test(
    _ value: TemplateValue, _ name: String, _ arguments: TemplateArguments
  ) throws(TemplateFault) -> Bool {
    switch (name, value, arguments.values.first) {
    case ("defined", _, nil): return value.isDefined
    case ("undefined", _, nil): return !value.isDefined
    case ("none", .none, nil), ("string", .text, nil), ("mapping", .map, nil),
      ("boolean", .boolean, nil),
      ("integer", .integer, nil), ("number", .integer, nil), ("number", .boolean, nil),
      ("callable", .function, nil), ("true", .boolean(true), nil), ("false", .boolean(false), nil):
      return true
    case ("none", _, nil), ("string", _, nil), ("mapping", _, nil), ("boolean", _, nil),
      ("integer", _, nil), ("number", _, nil), ("callable", _, nil), ("true", _, nil),
      ("false", _, nil):
      return false
    case ("iterable", _, nil), ("sequence", _, nil):
      switch value {
      case .text, .list, .map, .undefined: return true
      default: return false
      }
    case ("odd", _, nil): return try value.number(for: name).isMultiple(of: 2) == false
    case ("even", _, nil): return try value.number(for: name).isMultiple(of: 2)
    case ("equalto", _, let other?), ("eq", _, let other?), ("==", _, let other?):
      return try areEqual(value, other)
    case ("ne", _, let other?), ("!=", _, let other?): return try !areEqual(value, other)
    case ("in", _, let other?): return try contains(other, value)
    case ("divisibleby", _, let other?):
      return try join(value, "%", other).number == 0
    default: throw .unsupported("the test \(name.quotedForError)")
    }
  }

  // MARK: - Texts

  private mutating func split(
    _ text: [UInt8], at separator: [UInt8]
  ) throws(TemplateFault) -> [[UInt8]] {
    guard !separator.isEmpty else { throw TemplateFault("a split at nothing") }
    var (parts, start) = ([[UInt8]](), 0)
    for place in try places(of: separator, in: text) {
      parts.append(Array(text[start..<place]))
      start = place + separator.count
    }
    return parts + [Array(text[start...])]
  }

  private mutating func replace(
    _ old: [UInt8], in text: [UInt8], by new: [UInt8]
  ) throws(TemplateFault) -> [UInt8] {
    guard !old.isEmpty else { throw .unsupported("replacing nothing") }
    let parts = try split(text, at: old)
    try spend(bytes: (parts.count - 1) * new.count)
    return Array(parts.joined(separator: new))
  }

  /// In other letters. Names of roles are changed so, which are ASCII.
  private static func recased(_ text: [UInt8], _ name: String) throws(TemplateFault) -> [UInt8] {
    guard text.allSatisfy({ $0 < 0x80 }) else {
      throw .unsupported("\(name) of letters beyond ASCII")
    }
    func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5A).contains(byte & 0xDF) }
    return text.enumerated().map { index, byte in
      guard isLetter(byte) else { return byte }
      let isUpper =
        switch name {
        case "upper": true
        case "lower": false
        case "capitalize": index == 0
        default: index == 0 || !isLetter(text[index - 1])
        }
      return isUpper ? byte & 0xDF : byte | 0x20
    }
  }
}

extension [UInt8] {
  /// Without the characters, or white space, at its ends.
  fileprivate func trimmed(_ characters: [UInt8]?, left: Bool, right: Bool) -> [UInt8] {
    let scalars = String(decoding: self, as: UTF8.self).unicodeScalars
    let chosen = characters.map { Set(String(decoding: $0, as: UTF8.self).unicodeScalars) }
    func isTaken(_ scalar: Unicode.Scalar) -> Bool {
      guard let chosen else {
        // What Python takes for white space.
        return scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
      }
      return chosen.contains(scalar)
    }
    var rest = scalars[...]
    while left, let first = rest.first, isTaken(first) { rest.removeFirst() }
    while right, let last = rest.last, isTaken(last) { rest.removeLast() }
    return Array(String(rest).utf8)
  }
}
