/// A regular expression of Python's `re`, matched in time linear in the text: all ways to match are
/// followed at once, none is tried again (K. Thompson, CACM 11(6), 1968).
///
/// Patterns come from untrusted files, where a backtracking matcher can be made to run for ever.
/// What needs backtracking (back references, look-around) is refused.
struct LinearRegex {
  /// A step of the program.
  enum Step {
    case consume(ScalarSet)
    case split(Int, Int)
    case jump(Int)
    case assertStart
    case assertEnd
  }

  /// The pattern is malformed, or uses what a linear matcher cannot do.
  struct Unsupported: Error, Equatable {
    let what: String
  }

  /// Steps a program may have; counted repetitions are written out.
  static let maximumSteps = 10_000

  private let program: [Step]

  /// Steps of its program.
  var stepCount: Int { program.count }

  init(_ pattern: String) throws(Unsupported) {
    var parser = RegexParser(pattern)
    let node = try parser.parse()
    var program: [Step] = []
    try Self.compile(node, into: &program)
    guard program.count <= Self.maximumSteps else {
      throw Unsupported(what: "more than \(Self.maximumSteps) steps")
    }
    self.program = program
  }

  /// Whether the pattern matches from the start of the text, as `re.match` does; nil where that is more
  /// work than is left.
  func matchesPrefix(of text: String, _ work: MatchingWork) -> Bool? {
    // Two sets of steps are laid out, a bit or so for each.
    var cost = program.count / 16
    let isMatch = matchesPrefix(of: text, &cost)
    return work.spend(cost) ? isMatch : nil
  }

  private func matchesPrefix(of text: String, _ cost: inout Int) -> Bool {
    let scalars = Array(text.unicodeScalars)
    var current = StepSet(count: program.count + 1)
    var next = StepSet(count: program.count + 1)
    follow(0, at: 0, of: scalars.count, into: &current)
    for (position, scalar) in scalars.enumerated() {
      // None is left: it matched before, or does not.
      if current.steps.isEmpty { return false }
      if current.contains(program.count) { return true }
      cost += current.steps.count + 1
      next.removeAll()
      for step in current.steps where step < program.count {
        if case .consume(let set) = program[step], set.contains(scalar) {
          follow(step + 1, at: position + 1, of: scalars.count, into: &next)
        }
      }
      swap(&current, &next)
    }
    return current.contains(program.count)
  }

  /// Adds a step and all that follow it without consuming text.
  private func follow(_ start: Int, at position: Int, of count: Int, into set: inout StepSet) {
    var pending = [start]
    while let step = pending.popLast() {
      guard set.insert(step), step < program.count else { continue }
      switch program[step] {
      case .consume: break
      case .split(let first, let second): pending += [second, first]
      case .jump(let target): pending.append(target)
      case .assertStart: if position == 0 { pending.append(step + 1) }
      case .assertEnd: if position == count { pending.append(step + 1) }
      }
    }
  }

  private static func compile(
    _ node: RegexNode, into program: inout [Step]
  ) throws(Unsupported) {
    guard program.count < maximumSteps else {
      throw Unsupported(what: "more than \(maximumSteps) steps")
    }
    switch node {
    case .set(let set): program.append(.consume(set))
    case .start: program.append(.assertStart)
    case .end: program.append(.assertEnd)
    case .sequence(let nodes): for node in nodes { try compile(node, into: &program) }
    case .alternatives(let nodes): try compileAlternatives(nodes[...], into: &program)
    case .repetition(let node, let minimum, let maximum):
      for _ in 0..<minimum {
        let before = program.count
        try compile(node, into: &program)
        // Nothing, many times over, is still nothing.
        if program.count == before { break }
      }
      guard let maximum else { return try compileLoop(node, into: &program) }
      var splits: [Int] = []
      for _ in minimum..<max(minimum, maximum) {
        splits.append(program.count)
        program.append(.jump(0))
        try compile(node, into: &program)
      }
      for split in splits { program[split] = .split(split + 1, program.count) }
    }
  }

  private static func compileLoop(
    _ node: RegexNode, into program: inout [Step]
  ) throws(Unsupported) {
    let split = program.count
    program.append(.jump(0))
    try compile(node, into: &program)
    program.append(.jump(split))
    program[split] = .split(split + 1, program.count)
  }

  private static func compileAlternatives(
    _ nodes: ArraySlice<RegexNode>, into program: inout [Step]
  ) throws(Unsupported) {
    var exits: [Int] = []
    for (index, node) in nodes.enumerated() {
      let split = program.count
      let isLast = index == nodes.count - 1
      if !isLast { program.append(.jump(0)) }
      try compile(node, into: &program)
      guard !isLast else { break }
      exits.append(program.count)
      program.append(.jump(0))
      program[split] = .split(split + 1, program.count)
    }
    for exit in exits { program[exit] = .jump(program.count) }
  }
}

/// What matching may cost, all in all: patterns and names come from one file, and each alone may be within
/// its limits.
final class MatchingWork {
  /// Steps that are left: some seconds.
  private var rest = 1 << 26

  /// Takes steps away; false where there are no more.
  func spend(_ steps: Int) -> Bool {
    rest -= steps
    return rest >= 0
  }
}

/// Steps of a program, each at most once.
private struct StepSet {
  private(set) var steps: [Int] = []
  private var members: [Bool]

  init(count: Int) {
    members = Array(repeating: false, count: count)
  }

  func contains(_ step: Int) -> Bool { members[step] }

  mutating func insert(_ step: Int) -> Bool {
    guard !members[step] else { return false }
    members[step] = true
    steps.append(step)
    return true
  }

  mutating func removeAll() {
    for step in steps { members[step] = false }
    steps.removeAll(keepingCapacity: true)
  }
}
