/// The words of an expression that are still to be read.
struct TemplateCursor {
  private let tokens: [TemplateToken]
  private var place = 0
  /// True if values are wanted; otherwise the words are only passed over, and nothing is refused.
  var isLive = true

  init(_ tokens: [TemplateToken]) { self.tokens = tokens }

  var next: TemplateToken? { place < tokens.count ? tokens[place] : nil }
  var rest: [TemplateToken] { Array(tokens[place...]) }

  mutating func take() -> TemplateToken? {
    defer { place = min(place + 1, tokens.count) }
    return next
  }

  /// Takes the next word where it is this one.
  mutating func take(_ token: TemplateToken) -> Bool {
    guard next == token else { return false }
    place += 1
    return true
  }

  mutating func expect(_ sign: String) throws(TemplateFault) {
    guard take(.sign(sign)) else { throw TemplateFault("\(sign.quotedForError) is missing") }
  }

  mutating func name() throws(TemplateFault) -> String {
    guard case .name(let name)? = take() else { throw TemplateFault("a name is missing") }
    return name
  }
}

extension TemplateRenderer {
  private static let nestingLimit = 24

  mutating func evaluate(_ tokens: [TemplateToken]) throws(TemplateFault) -> TemplateValue {
    var cursor = TemplateCursor(tokens)
    let value = try conditional(&cursor)
    guard cursor.next == nil else { throw .unsupported("an expression of this form") }
    return value
  }

  /// Returns the elements that a loop goes through, and the condition for them, if any.
  mutating func elements(
    _ tokens: [TemplateToken]
  ) throws(TemplateFault) -> ([TemplateValue], condition: [TemplateToken]?) {
    var cursor = TemplateCursor(tokens)
    let value = try either(&cursor)
    let condition = cursor.take(.name("if")) ? cursor.rest : nil
    guard condition != nil || cursor.next == nil else {
      throw .unsupported("a loop of this form")
    }
    return (try elements(of: value), condition)
  }

  /// `a if b else c`. The condition stands behind what it decides on: where that fails, it may not be wanted.
  private mutating func conditional(_ cursor: inout TemplateCursor) throws(TemplateFault)
    -> TemplateValue
  {
    nesting += 1
    defer { nesting -= 1 }
    guard nesting <= Self.nestingLimit else { throw TemplateFault("an expression is too deep") }
    let start = cursor
    var fault: TemplateFault?
    var value = TemplateValue.none
    let depth = nesting
    do throws(TemplateFault) {
      value = try either(&cursor)
    } catch {
      guard cursor.isLive else { throw error }
      fault = error
      nesting = depth
      cursor = start
      cursor.isLive = false
      _ = try either(&cursor)
      cursor.isLive = true
    }
    guard cursor.take(.name("if")) else {
      if let fault { throw fault }
      return value
    }
    let holds = try either(&cursor).isTrue
    if holds, let fault { throw fault }
    guard cursor.take(.name("else")) else {
      return holds ? value : .undefined("a part without else")
    }
    let other = try skipping(holds, &cursor) { (renderer, cursor) throws(TemplateFault) in
      try renderer.conditional(&cursor)
    }
    return holds ? value : other
  }

  /// Reads a part whose value is not wanted where a condition holds.
  private mutating func skipping(
    _ isSkipped: Bool, _ cursor: inout TemplateCursor,
    _ read: (inout Self, inout TemplateCursor) throws(TemplateFault) -> TemplateValue
  ) throws(TemplateFault) -> TemplateValue {
    let wasLive = cursor.isLive
    cursor.isLive = wasLive && !isSkipped
    let value = try read(&self, &cursor)
    cursor.isLive = wasLive
    return value
  }

  private mutating func either(_ cursor: inout TemplateCursor) throws(TemplateFault)
    -> TemplateValue
  {
    var value = try both(&cursor)
    while cursor.take(.name("or")) {
      let isDecided = value.isTrue
      let other = try skipping(isDecided, &cursor) { (renderer, cursor) throws(TemplateFault) in
        try renderer.both(&cursor)
      }
      if !isDecided { value = other }
    }
    return value
  }

  private mutating func both(_ cursor: inout TemplateCursor) throws(TemplateFault) -> TemplateValue
  {
    var value = try negation(&cursor)
    while cursor.take(.name("and")) {
      let isDecided = !value.isTrue
      let other = try skipping(isDecided, &cursor) { (renderer, cursor) throws(TemplateFault) in
        try renderer.negation(&cursor)
      }
      if !isDecided { value = other }
    }
    return value
  }

  private mutating func negation(_ cursor: inout TemplateCursor) throws(TemplateFault)
    -> TemplateValue
  {
    var (isNegated, count) = (false, 0)
    while cursor.take(.name("not")) {
      isNegated.toggle()
      count += 1
    }
    let value = try comparison(&cursor)
    return count == 0 ? value : .boolean(value.isTrue != isNegated)
  }

  private mutating func comparison(_ cursor: inout TemplateCursor) throws(TemplateFault)
    -> TemplateValue
  {
    let left = try sum(&cursor)
    guard let sign = Self.comparison(&cursor) else { return left }
    let right = try sum(&cursor)
    guard Self.comparison(&cursor) == nil else { throw .unsupported("a chain of comparisons") }
    guard cursor.isLive else { return .none }
    return .boolean(try compare(left, sign, right))
  }

  private static func comparison(_ cursor: inout TemplateCursor) -> String? {
    for sign in ["==", "!=", "<", ">", "<=", ">="] where cursor.take(.sign(sign)) { return sign }
    if cursor.take(.name("in")) { return "in" }
    var ahead = cursor
    guard ahead.take(.name("not")), ahead.take(.name("in")) else { return nil }
    cursor = ahead
    return "not in"
  }

  private mutating func sum(_ cursor: inout TemplateCursor) throws(TemplateFault) -> TemplateValue {
    try chain(["+", "-"], &cursor) { (renderer, cursor) throws(TemplateFault) in
      try renderer.chain(["~"], &cursor) { (renderer, cursor) throws(TemplateFault) in
        try renderer.chain(["*", "/", "//", "%"], &cursor) {
          (renderer, cursor) throws(TemplateFault) in
          try renderer.signed(&cursor)
        }
      }
    }
  }

  /// Operations that are done from left to right.
  private mutating func chain(
    _ signs: [String], _ cursor: inout TemplateCursor,
    _ part: (inout Self, inout TemplateCursor) throws(TemplateFault) -> TemplateValue
  ) throws(TemplateFault) -> TemplateValue {
    var value = try part(&self, &cursor)
    while case .sign(let sign)? = cursor.next, signs.contains(sign) {
      _ = cursor.take()
      let other = try part(&self, &cursor)
      if cursor.isLive { value = try join(value, sign, other) }
    }
    return value
  }

  private mutating func signed(_ cursor: inout TemplateCursor) throws(TemplateFault)
    -> TemplateValue
  {
    guard cursor.take(.sign("-")) else { return try filtered(&cursor) }
    let value = try parts(of: primary(&cursor), &cursor)
    return cursor.isLive ? try join(.integer(0), "-", value) : .none
  }

  /// A value, then filters and tests.
  private mutating func filtered(_ cursor: inout TemplateCursor) throws(TemplateFault)
    -> TemplateValue
  {
    var value = try parts(of: primary(&cursor), &cursor)
    while true {
      if cursor.take(.sign("|")) {
        let name = try cursor.name()
        let arguments =
          cursor.next == .sign("(") ? try self.arguments(&cursor) : TemplateArguments()
        if cursor.isLive { value = try filter(value, name, arguments) }
      } else if cursor.take(.name("is")) {
        let isNegated = cursor.take(.name("not"))
        let name = try cursor.name()
        var arguments = TemplateArguments()
        if Self.testsOfTwo.contains(name) {
          arguments =
            cursor.next == .sign("(")
            ? try self.arguments(&cursor)
            : TemplateArguments([try parts(of: primary(&cursor), &cursor)])
        }
        if cursor.isLive { value = .boolean(try test(value, name, arguments) != isNegated) }
      } else {
        return value
      }
    }
  }

  private mutating func primary(_ cursor: inout TemplateCursor) throws(TemplateFault)
    -> TemplateValue
  {
    try spend()
    switch cursor.take() {
    case .text(var bytes):
      while case .text(let more)? = cursor.next {
        _ = cursor.take()
        bytes += more
      }
      return .text(bytes)
    case .integer(let value): return .integer(value)
    case .name("true"), .name("True"): return .boolean(true)
    case .name("false"), .name("False"): return .boolean(false)
    case .name("none"), .name("None"): return .none
    case .name(let name): return cursor.isLive ? try value(of: name) : .none
    case .sign("("):
      let (values, isTuple) = try list(until: ")", &cursor)
      return values.count == 1 && !isTuple ? values[0] : try checked(.list(values))
    case .sign("["): return try checked(.list(list(until: "]", &cursor).values))
    case .sign("{"): return try checked(.map(members(&cursor)))
    default: throw .unsupported("an expression of this form")
    }
  }

  private mutating func checked(_ value: TemplateValue) throws(TemplateFault) -> TemplateValue {
    try checkDepth(value)
    return value
  }

  private mutating func list(
    until end: String, _ cursor: inout TemplateCursor
  ) throws(TemplateFault) -> (values: [TemplateValue], hasComma: Bool) {
    var (values, hasComma) = ([TemplateValue](), false)
    while !cursor.take(.sign(end)) {
      values.append(try conditional(&cursor))
      if cursor.take(.sign(",")) {
        hasComma = true
      } else if cursor.next != .sign(end) {
        try cursor.expect(end)
      }
    }
    return (values, hasComma)
  }

  private mutating func members(
    _ cursor: inout TemplateCursor
  ) throws(TemplateFault) -> [String: TemplateValue] {
    var members: [String: TemplateValue] = [:]
    while !cursor.take(.sign("}")) {
      let key = try conditional(&cursor)
      try cursor.expect(":")
      let value = try conditional(&cursor)
      if cursor.isLive {
        members[String(decoding: try key.text(for: "a key"), as: UTF8.self)] = value
      }
      if !cursor.take(.sign(",")), cursor.next != .sign("}") { try cursor.expect("}") }
    }
    return members
  }

  /// Evaluates the members, places, slices and calls that follow a value.
  private mutating func parts(
    of first: TemplateValue, _ cursor: inout TemplateCursor
  ) throws(TemplateFault) -> TemplateValue {
    var value = first
    while true {
      if cursor.take(.sign(".")) {
        let name = try cursor.name()
        if cursor.next == .sign("(") {
          let arguments = try self.arguments(&cursor)
          if cursor.isLive { value = try call(name, of: value, arguments) }
        } else if cursor.isLive {
          value = try member(value, .text(name))
        }
      } else if cursor.take(.sign("[")) {
        value = try place(of: value, &cursor)
      } else if cursor.next == .sign("(") {
        let arguments = try self.arguments(&cursor)
        if cursor.isLive { value = try call(value, arguments) }
      } else {
        return value
      }
    }
  }

  private mutating func place(
    of value: TemplateValue, _ cursor: inout TemplateCursor
  ) throws(TemplateFault) -> TemplateValue {
    var bounds: [TemplateValue?] = [nil]
    while !cursor.take(.sign("]")) {
      if cursor.take(.sign(":")) {
        bounds.append(nil)
      } else {
        guard bounds[bounds.count - 1] == nil else { throw .unsupported("a place of this form") }
        bounds[bounds.count - 1] = try conditional(&cursor)
      }
    }
    guard cursor.isLive else { return .none }
    if bounds.count == 1, let only = bounds[0] { return try member(value, only) }
    return try slice(value, bounds)
  }

  private mutating func arguments(
    _ cursor: inout TemplateCursor
  ) throws(TemplateFault) -> TemplateArguments {
    var arguments = TemplateArguments()
    try cursor.expect("(")
    while !cursor.take(.sign(")")) {
      var ahead = cursor
      if case .name(let name)? = ahead.take(), ahead.take(.sign("=")) {
        cursor = ahead
        arguments.named[name] = try conditional(&cursor)
      } else {
        arguments.values.append(try conditional(&cursor))
      }
      if !cursor.take(.sign(",")), cursor.next != .sign(")") { try cursor.expect(")") }
    }
    return arguments
  }
}

/// The arguments of a function, filter or test.
struct TemplateArguments {
  var values: [TemplateValue]
  var named: [String: TemplateValue] = [:]

  init(_ values: [TemplateValue] = []) { self.values = values }
}
