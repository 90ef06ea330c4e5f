/// A part of a template.
indirect enum TemplateNode: Sendable {
  case text([UInt8])
  case output([TemplateToken])
  /// The tokens after `set`.
  case set([TemplateToken])
  /// The first branch whose condition holds; the last may have none.
  case branches([(condition: [TemplateToken]?, body: [TemplateNode])])
  /// For each element of what follows after `in`, which may end with a condition.
  case loop(names: [String], source: [TemplateToken], body: [TemplateNode])
  /// Keeps what the body writes, as the value of a name.
  case capture(name: String, body: [TemplateNode])
  case macro(name: String, TemplateMacro)
  case leaveLoop
  case nextRound
}

/// A part of a template that is called by its name.
struct TemplateMacro: Sendable {
  let parameters: [(name: String, value: TemplateToken?)]
  let body: [TemplateNode]
}

/// Puts the pieces of a template together.
struct TemplateParser {
  private var pieces: ArraySlice<TemplatePiece>
  private var nesting = 0
  /// A block that ends a body, until the one that began it takes it.
  private var end: [TemplateToken] = []

  /// So deep may blocks be in each other.
  private static let nestingLimit = 32

  static func nodes(of template: [UInt8]) throws(TemplateFault) -> [TemplateNode] {
    var parser = Self(try TemplateScanner.pieces(of: template))
    return try parser.body(until: [])
  }

  private init(_ pieces: [TemplatePiece]) { self.pieces = pieces[...] }

  /// The nodes up to a block that begins with one of these words; of nothing where that is the end.
  private mutating func body(until ends: [String]) throws(TemplateFault) -> [TemplateNode] {
    nesting += 1
    defer { nesting -= 1 }
    guard nesting <= Self.nestingLimit else {
      throw TemplateFault("blocks are more than \(Self.nestingLimit) deep")
    }
    var nodes: [TemplateNode] = []
    while let piece = pieces.popFirst() {
      switch piece {
      case .text(let bytes): nodes.append(.text(bytes))
      case .output(let tokens): nodes.append(.output(tokens))
      case .block(let tokens):
        guard case .name(let word)? = tokens.first else {
          throw TemplateFault("a block without a word")
        }
        if ends.contains(word) {
          end = tokens
          return nodes
        }
        nodes += try block(word, Array(tokens.dropFirst()))
      }
    }
    guard let missing = ends.last else { return nodes }
    throw TemplateFault("a block without its \(missing)")
  }

  private mutating func block(
    _ word: String, _ rest: [TemplateToken]
  ) throws(TemplateFault) -> [TemplateNode] {
    switch word {
    case "set":
      guard !rest.contains(.sign("=")) else { return [.set(rest)] }
      guard case .name(let name)? = rest.first, rest.count == 1 else {
        throw .unsupported("set of this form")
      }
      return [.capture(name: name, body: try body(until: ["endset"]))]
    case "if": return [try branches(rest)]
    case "for": return [try loop(rest)]
    case "break": return [.leaveLoop]
    case "continue": return [.nextRound]
    case "generation": return try body(until: ["endgeneration"])
    case "macro":
      return [try macro(rest)]
    default: throw .unsupported("the block \(word.quotedForError)")
    }
  }

  /// `name(first, second=1)`, and what it writes.
  private mutating func macro(_ tokens: [TemplateToken]) throws(TemplateFault) -> TemplateNode {
    guard case .name(let name)? = tokens.first, tokens.dropFirst().first == .sign("("),
      tokens.last == .sign(")")
    else { throw .unsupported("a macro of this form") }
    var parameters: [(name: String, value: TemplateToken?)] = []
    for part in tokens.dropFirst(2).dropLast().split(separator: .sign(",")) {
      let words = Array(part)
      guard case .name(let parameter) = words[0], [1, 3].contains(words.count),
        words.count == 1 || words[1] == .sign("=")
      else { throw .unsupported("a parameter of this form") }
      parameters.append((parameter, words.count == 3 ? words[2] : nil))
    }
    return .macro(
      name: name, TemplateMacro(parameters: parameters, body: try body(until: ["endmacro"])))
  }

  private mutating func branches(_ first: [TemplateToken]) throws(TemplateFault) -> TemplateNode {
    var branches: [(condition: [TemplateToken]?, body: [TemplateNode])] = []
    var condition: [TemplateToken]? = first
    while true {
      branches.append(
        (condition, try body(until: condition == nil ? ["endif"] : ["elif", "else", "endif"])))
      switch end.first {
      case .name("elif"): condition = Array(end.dropFirst())
      case .name("else"): condition = nil
      default: return .branches(branches)
      }
    }
  }

  private mutating func loop(_ tokens: [TemplateToken]) throws(TemplateFault) -> TemplateNode {
    guard let place = tokens.firstIndex(of: .name("in")) else {
      throw TemplateFault("for without in")
    }
    let names = tokens[..<place].split(separator: .sign(",")).compactMap { part in
      if case .name(let name)? = part.first, part.count == 1 { name } else { nil }
    }
    guard 2 * names.count == place + 1, names.count <= 2 else {
      throw .unsupported("for with these names")
    }
    let body = try body(until: ["else", "endfor"])
    guard end.first == .name("endfor") else { throw .unsupported("else of for") }
    return .loop(names: names, source: Array(tokens[(place + 1)...]), body: body)
  }
}
