/// A regular expression as a tree.
indirect enum RegexNode {
  case set(ScalarSet)
  case start
  case end
  case boundary(Bool)
  case look(RegexNode, isAhead: Bool, isWanted: Bool)
  case sequence([RegexNode])
  case alternatives([RegexNode])
  case repetition(RegexNode, minimum: Int, maximum: Int?)
}

/// The characters that one place of a pattern accepts.
struct ScalarSet {
  enum Member {
    case range(ClosedRange<Unicode.Scalar>)
    case digit(Bool)
    case word(Bool)
    case space(Bool)
  }

  var members: [Member]
  var isNegated = false

  func contains(_ scalar: Unicode.Scalar) -> Bool {
    let isMember = members.contains { member in
      switch member {
      case .range(let range): range.contains(scalar)
      case .digit(let wanted): scalar.isDecimalDigit == wanted
      case .word(let wanted): scalar.isWord == wanted
      case .space(let wanted): scalar.properties.isWhitespace == wanted
      }
    }
    return isMember != isNegated
  }
}

extension Unicode.Scalar {
  fileprivate var isDecimalDigit: Bool { properties.generalCategory == .decimalNumber }

  /// A letter, a digit or an underscore, as `\w` has it.
  var isWord: Bool {
    self == "_" || properties.isAlphabetic || properties.numericType != nil
  }
}

/// Reads the syntax of Python's `re`, but for back references, flags, and what gives back nothing.
struct RegexParser {
  private let scalars: [Unicode.Scalar]
  private var position = 0
  private var depth = 0

  private let ignoresLooks: Bool

  init(_ pattern: String, ignoringLooks ignoresLooks: Bool) {
    scalars = Array(pattern.unicodeScalars)
    self.ignoresLooks = ignoresLooks
  }

  mutating func parse() throws(LinearRegex.Unsupported) -> RegexNode {
    let node = try alternatives()
    guard position == scalars.count else { throw .init(what: "an unmatched \")\"") }
    return node
  }

  private var next: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

  private mutating func accept(_ scalar: Unicode.Scalar) -> Bool {
    guard next == scalar else { return false }
    position += 1
    return true
  }

  private mutating func alternatives() throws(LinearRegex.Unsupported) -> RegexNode {
    var branches = [try sequence()]
    while accept("|") { branches.append(try sequence()) }
    return branches.count == 1 ? branches[0] : .alternatives(branches)
  }

  private mutating func sequence() throws(LinearRegex.Unsupported) -> RegexNode {
    var nodes: [RegexNode] = []
    while let scalar = next, scalar != "|", scalar != ")" {
      nodes.append(try quantified(try atom()))
    }
    return .sequence(nodes)
  }

  private mutating func atom() throws(LinearRegex.Unsupported) -> RegexNode {
    let scalar = scalars[position]
    position += 1
    switch scalar {
    case "(": return try group()
    case "[": return .set(try characterClass())
    case ".": return .set(ScalarSet(members: [.range("\n"..."\n")], isNegated: true))
    case "^": return .start
    case "$": return .end
    case "*", "+", "?": throw .init(what: "\"\(scalar)\" with nothing to repeat")
    case "\\":
      if let place = place() { return place }
      return .set(ScalarSet(members: [try escape()]))
    default: return .set(ScalarSet(members: [.range(scalar...scalar)]))
    }
  }

  private mutating func group() throws(LinearRegex.Unsupported) -> RegexNode {
    guard depth < 32 else { throw .init(what: "groups nested deeper than 32") }
    depth += 1
    defer { depth -= 1 }
    let look = accept("?") ? try groupKind() : nil
    let node = try alternatives()
    guard accept(")") else { throw .init(what: "an unmatched \"(\"") }
    guard let (isAhead, isWanted) = look else { return node }
    return ignoresLooks ? .sequence([]) : .look(node, isAhead: isAhead, isWanted: isWanted)
  }

  /// Reads the kind of look-around after `(?`; nil for an ordinary group, with a name or without.
  private mutating func groupKind() throws(LinearRegex.Unsupported) -> (Bool, Bool)? {
    if accept(":") { return nil }
    if accept("=") { return (true, true) }
    if accept("!") { return (true, false) }
    if accept("P"), accept("<") {
      while let scalar = next, scalar != ">" {
        guard scalar.isWord else { break }
        position += 1
      }
      guard accept(">") else { throw .init(what: "a group with a bad name") }
      return nil
    }
    if accept("<") {
      if accept("=") { return (false, true) }
      if accept("!") { return (false, false) }
    }
    throw .init(what: "a \"(?\" group")
  }

  /// An escape that stands for a place, not for a character.
  private mutating func place() -> RegexNode? {
    if accept("b") { return .boundary(true) }
    if accept("B") { return .boundary(false) }
    if accept("A") { return .start }
    return accept("Z") ? .end : nil
  }

  private mutating func escape() throws(LinearRegex.Unsupported) -> ScalarSet.Member {
    guard let scalar = next else { throw .init(what: "a \"\\\" at the end") }
    position += 1
    switch scalar {
    case "d": return .digit(true)
    case "D": return .digit(false)
    case "w": return .word(true)
    case "W": return .word(false)
    case "s": return .space(true)
    case "S": return .space(false)
    case let other where other.isASCII && (other.isWord || other.isDecimalDigit):
      throw .init(what: "the escape \"\\\(other)\"")
    default: return .range(scalar...scalar)
    }
  }

  private mutating func characterClass() throws(LinearRegex.Unsupported) -> ScalarSet {
    var set = ScalarSet(members: [], isNegated: accept("^"))
    var isFirst = true
    while let scalar = next, scalar != "]" || isFirst {
      isFirst = false
      let lower = try classMember()
      guard case .range(let single) = lower, next == "-", position + 1 < scalars.count,
        scalars[position + 1] != "]"
      else {
        set.members.append(lower)
        continue
      }
      position += 1
      guard case .range(let end) = try classMember(), single.lowerBound <= end.lowerBound else {
        throw .init(what: "a bad range in \"[]\"")
      }
      set.members.append(.range(single.lowerBound...end.lowerBound))
    }
    guard accept("]") else { throw .init(what: "an unmatched \"[\"") }
    return set
  }

  private mutating func classMember() throws(LinearRegex.Unsupported) -> ScalarSet.Member {
    let scalar = scalars[position]
    position += 1
    return scalar == "\\" ? try escape() : .range(scalar...scalar)
  }

  /// One quantifier, lazy or not: for the question whether there is a match they are the same.
  private mutating func quantified(
    _ node: RegexNode
  ) throws(LinearRegex.Unsupported) -> RegexNode {
    let bounds: (Int, Int?)
    if accept("*") {
      bounds = (0, nil)
    } else if accept("+") {
      bounds = (1, nil)
    } else if accept("?") {
      bounds = (0, 1)
    } else if let counts = try countedRepetition() {
      bounds = counts
    } else {
      return node
    }
    _ = accept("?")
    if let scalar = next, ["*", "+", "?"].contains(scalar) {
      throw .init(what: "a quantifier after a quantifier")
    }
    return .repetition(node, minimum: bounds.0, maximum: bounds.1)
  }

  /// `{m}`, `{m,}`, `{,n}` or `{m,n}`; anything else in braces is literal, as in Python.
  private mutating func countedRepetition() throws(LinearRegex.Unsupported) -> (Int, Int?)? {
    let start = position
    guard accept("{") else { return nil }
    let minimum = number()
    var maximum = minimum
    let hasComma = accept(",")
    if hasComma { maximum = number() }
    guard accept("}"), minimum != nil || hasComma else {
      position = start
      return nil
    }
    if let maximum, maximum < minimum ?? 0 { throw .init(what: "a repetition from more to less") }
    return (minimum ?? 0, maximum)
  }

  private mutating func number() -> Int? {
    let start = position
    while let scalar = next, ("0"..."9").contains(scalar) { position += 1 }
    // More than the program may have steps is refused there.
    return Int(String(String.UnicodeScalarView(scalars[start..<position]))).map {
      min($0, RegexProgram.maximumSteps + 1)
    } ?? (position > start ? RegexProgram.maximumSteps + 1 : nil)
  }
}
