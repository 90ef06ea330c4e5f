/// A regular expression as steps that are followed all at once.
struct RegexProgram {
  /// A step.
  enum Step {
    case consume(ScalarSet)
    case split(Int, Int)
    case jump(Int)
    case assert(Assertion)
  }

  /// A condition that must hold at a place of the text, without taking any of it.
  enum Assertion {
    case start
    case end
    /// Between a character of a word and another, or the text's end.
    case boundary(Bool)
    /// Where a look-around's own expression matches, by its number.
    case look(Int, Bool)
  }

  /// A look-around: its expression, to be followed from any place; backwards, where it looks ahead.
  struct Look {
    let program: RegexProgram
    let isAhead: Bool
  }

  /// Steps a program may have; counted repetitions are written out.
  static let maximumSteps = 10_000

  private(set) var steps: [Step] = []
  private let isReversed: Bool

  /// Compiles an expression; its look-arounds are added to `looks`, inner ones first.
  init(
    _ node: RegexNode, isReversed: Bool = false, _ looks: inout Looks
  ) throws(LinearRegex.Unsupported) {
    self.isReversed = isReversed
    try compile(node, &looks)
  }

  /// The look-arounds of an expression, and how many steps all its programs may still have together.
  struct Looks {
    fileprivate(set) var all: [Look] = []
    fileprivate var rest = maximumSteps
  }

  private mutating func append(
    _ step: Step, _ looks: inout Looks
  ) throws(LinearRegex.Unsupported) {
    looks.rest -= 1
    guard looks.rest >= 0 else { throw .init(what: "more than \(Self.maximumSteps) steps") }
    steps.append(step)
  }

  private mutating func compile(
    _ node: RegexNode, _ looks: inout Looks
  ) throws(LinearRegex.Unsupported) {
    switch node {
    case .set(let set): try append(.consume(set), &looks)
    case .start: try append(.assert(.start), &looks)
    case .end: try append(.assert(.end), &looks)
    case .boundary(let wanted): try append(.assert(.boundary(wanted)), &looks)
    case .look(let inner, let isAhead, let wanted):
      let program = try RegexProgram(inner, isReversed: isAhead, &looks)
      looks.all.append(Look(program: program, isAhead: isAhead))
      try append(.assert(.look(looks.all.count - 1, wanted)), &looks)
    case .sequence(let nodes):
      for node in isReversed ? nodes.reversed() : nodes { try compile(node, &looks) }
    case .alternatives(let nodes): try compileAlternatives(nodes[...], &looks)
    case .repetition(let node, let minimum, let maximum):
      for _ in 0..<minimum {
        let before = steps.count
        try compile(node, &looks)
        // Nothing, many times over, is still nothing.
        if steps.count == before { break }
      }
      guard let maximum else { return try compileLoop(node, &looks) }
      var splits: [Int] = []
      for _ in minimum..<max(minimum, maximum) {
        splits.append(steps.count)
        try append(.jump(0), &looks)
        try compile(node, &looks)
      }
      for split in splits { steps[split] = .split(split + 1, steps.count) }
    }
  }

  private mutating func compileLoop(
    _ node: RegexNode, _ looks: inout Looks
  ) throws(LinearRegex.Unsupported) {
    let split = steps.count
    try append(.jump(0), &looks)
    try compile(node, &looks)
    try append(.jump(split), &looks)
    steps[split] = .split(split + 1, steps.count)
  }

  private mutating func compileAlternatives(
    _ nodes: ArraySlice<RegexNode>, _ looks: inout Looks
  ) throws(LinearRegex.Unsupported) {
    var exits: [Int] = []
    for (index, node) in nodes.enumerated() {
      let split = steps.count
      let isLast = index == nodes.count - 1
      if !isLast { try append(.jump(0), &looks) }
      try compile(node, &looks)
      guard !isLast else { break }
      exits.append(steps.count)
      try append(.jump(0), &looks)
      steps[split] = .split(split + 1, steps.count)
    }
    for exit in exits { steps[exit] = .jump(steps.count) }
  }
}
