internal import Storage

/// Renders a template of the language that models bring their form of conversations in (Jinja, as transformers sets
/// it up), as far as conversations without tools need it.
///
/// Anything that is not implemented is refused by name, and only if rendering comes to it: most templates hold much
/// about tools. Expressions are read and evaluated in one, so parts that are not reached may hold anything. Every step
/// is counted: no template runs for long, or makes much text.
struct TemplateRenderer {
  private(set) var output: [UInt8] = []
  private var scopes: [[String: TemplateValue]]
  private var stepsLeft = stepLimit
  /// How deep expressions are in each other.
  var nesting = 0
  private var macros: [String: TemplateMacro] = [:]
  private var macroDepth = 0
  private let unknown: Set<String>
  let today: LocalDate?

  static let stepLimit = 4_000_000

  /// - Parameters:
  ///   - variables: what the template is given.
  ///   - unknown: names of values that there are, and that nothing says.
  ///   - today: the date; nil for a machine that does not know it.
  init(_ variables: [String: TemplateValue], unknown: Set<String>, today: LocalDate?) {
    scopes = [variables]
    self.unknown = unknown
    self.today = today
  }

  /// Counts work.
  mutating func spend(_ steps: Int = 1) throws(TemplateFault) {
    guard steps <= stepsLeft else { throw TemplateFault("it takes too many steps") }
    stepsLeft -= steps
  }

  /// Counts the work that a text of so many bytes makes.
  mutating func spend(bytes: Int) throws(TemplateFault) { try spend(1 + bytes / 16) }

  func value(of name: String) throws(TemplateFault) -> TemplateValue {
    for scope in scopes.reversed() { if let value = scope[name] { return value } }
    guard !unknown.contains(name) else {
      throw TemplateFault("it asks for \(name), which tokenizer_config.json does not name")
    }
    let isFunction = macros[name] != nil || Self.functions.contains(name)
    return isFunction ? .function(name) : .undefined(name)
  }

  private enum Outcome {
    case done
    case leavesLoop
    case nextRound
  }

  mutating func render(_ nodes: [TemplateNode]) throws(TemplateFault) {
    _ = try run(nodes)
  }

  private mutating func run(_ nodes: [TemplateNode]) throws(TemplateFault) -> Outcome {
    for node in nodes {
      try spend()
      switch node {
      case .text(let bytes): try write(bytes)
      case .output(let tokens): try write(evaluate(tokens).written())
      case .set(let tokens): try set(tokens)
      case .capture(let name, let body):
        scopes.append([:])
        let text = try captured(body)
        scopes.removeLast()
        scopes[scopes.count - 1][name] = .text(text)
      case .macro(let name, let macro): macros[name] = macro
      case .leaveLoop: return .leavesLoop
      case .nextRound: return .nextRound
      case .branches(let branches):
        for branch in branches {
          if let condition = branch.condition, try !evaluate(condition).isTrue { continue }
          let outcome = try run(branch.body)
          if outcome != .done { return outcome }
          break
        }
      case .loop(let names, let source, let body): try loop(names, source, body)
      }
    }
    return .done
  }

  private mutating func write(_ bytes: [UInt8]) throws(TemplateFault) {
    try spend(bytes: bytes.count)
    output += bytes
  }

  /// Returns the output of nodes, which is not part of the result.
  private mutating func captured(_ nodes: [TemplateNode]) throws(TemplateFault) -> [UInt8] {
    let before = output
    output = []
    // An expression that fails may be one that is not wanted.
    defer { output = before }
    _ = try run(nodes)
    return output
  }

  /// Calls a macro, which sees its parameters and the variables of the template itself; nil where there is none of
  /// this name.
  mutating func callMacro(
    _ name: String, _ arguments: TemplateArguments
  ) throws(TemplateFault) -> TemplateValue? {
    guard let macro = macros[name] else { return nil }
    guard macroDepth < 8 else { throw TemplateFault("macros call each other too deep") }
    guard arguments.values.count <= macro.parameters.count,
      arguments.named.keys.allSatisfy({ key in macro.parameters.contains { $0.name == key } })
    else { throw TemplateFault("\(name.quotedForError) is called with more than it takes") }
    var scope: [String: TemplateValue] = [:]
    for (index, parameter) in macro.parameters.enumerated() {
      if index < arguments.values.count {
        scope[parameter.name] = arguments.values[index]
      } else if let value = arguments.named[parameter.name] {
        scope[parameter.name] = value
      } else if let token = parameter.value {
        scope[parameter.name] = try evaluate([token])
      } else {
        scope[parameter.name] = .undefined(parameter.name)
      }
    }
    let callers = scopes
    scopes = [scopes[0], scope]
    macroDepth += 1
    defer {
      macroDepth -= 1
      scopes = callers
    }
    return .text(try captured(macro.body))
  }

  private mutating func set(_ tokens: [TemplateToken]) throws(TemplateFault) {
    switch (tokens.first, tokens.dropFirst().first, tokens.dropFirst(2).first) {
    case (.name(let name), .sign("="), _):
      scopes[scopes.count - 1][name] = try evaluate(Array(tokens.dropFirst(2)))
    case (.name(let name), .sign("."), .name(let member))
    where tokens.dropFirst(3).first == .sign("="):
      let owner = try value(of: name)
      guard case .namespace(let namespace) = owner else {
        throw TemplateFault("a member of \(owner.kind) is set")
      }
      let value = try evaluate(Array(tokens.dropFirst(4)))
      try checkDepth(value)
      namespace.members[member] = value
    default: throw .unsupported("set of these names")
    }
  }

  private mutating func loop(
    _ names: [String], _ source: [TemplateToken], _ body: [TemplateNode]
  ) throws(TemplateFault) {
    var (values, condition) = try elements(source)
    if let condition {
      var kept: [TemplateValue] = []
      for value in values {
        scopes.append(try bind(names, value))
        if try evaluate(condition).isTrue { kept.append(value) }
        scopes.removeLast()
      }
      values = kept
    }
    for (index, value) in values.enumerated() {
      var scope = try bind(names, value)
      func neighbour(_ place: Int) -> TemplateValue {
        values.indices.contains(place) ? values[place] : .undefined("a neighbour")
      }
      scope["loop"] = .map([
        "index": .integer(index + 1), "index0": .integer(index), "first": .boolean(index == 0),
        "last": .boolean(index == values.count - 1), "length": .integer(values.count),
        "revindex": .integer(values.count - index), "revindex0": .integer(values.count - index - 1),
        "previtem": neighbour(index - 1), "nextitem": neighbour(index + 1),
      ])
      scopes.append(scope)
      let outcome = try run(body)
      scopes.removeLast()
      if outcome == .leavesLoop { return }
    }
  }

  private func bind(
    _ names: [String], _ value: TemplateValue
  ) throws(TemplateFault) -> [String: TemplateValue] {
    if names.count == 1 { return [names[0]: value] }
    guard case .list(let parts) = value, parts.count == names.count else {
      throw TemplateFault("\(names.count) names for \(value.kind)")
    }
    return Dictionary(zip(names, parts)) { $1 }
  }
}
