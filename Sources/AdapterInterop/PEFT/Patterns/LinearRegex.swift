/// A regular expression of Python's `re`, matched in time linear in the text: all ways to match are
/// followed at once, none is tried again (K. Thompson, CACM 11(6), 1968).
///
/// Patterns come from untrusted files, where a backtracking matcher can be made to run for ever. A look-around is
/// followed from all places of the text together, backwards where it looks ahead, before what it stands in. Only back
/// references need more than that, and are refused.
struct LinearRegex {
  /// The pattern is malformed, or uses what a linear matcher cannot do.
  struct Unsupported: Error, Equatable {
    let what: String
  }

  private let program: RegexProgram
  private let looks: [RegexProgram.Look]

  /// Steps of its programs.
  var stepCount: Int { looks.reduce(program.steps.count) { $0 + $1.program.steps.count } }

  /// True if it looks around.
  var looksAround: Bool { !looks.isEmpty }

  /// - Parameters:
  ///   - pattern: the expression.
  ///   - ignoresLooks: whether look-arounds are taken to match everywhere.
  /// - Throws: `Unsupported`.
  init(_ pattern: String, ignoringLooks ignoresLooks: Bool = false) throws(Unsupported) {
    var parser = RegexParser(pattern, ignoringLooks: ignoresLooks)
    var looks = RegexProgram.Looks()
    program = try RegexProgram(try parser.parse(), &looks)
    self.looks = looks.all
  }

  /// Returns true if the pattern matches from the start of the text, as `re.match` does; nil if that is more work than
  /// is left.
  func matchesPrefix(of text: String, _ work: MatchingWork) -> Bool? {
    // Two sets of steps are laid out, a bit or so for each.
    var cost = stepCount / 16
    var text = RegexText(text)
    for look in looks {
      var places = [Bool](repeating: false, count: text.scalars.count + 1)
      text.follow(look.program, .fromAnywhere(backwards: look.isAhead), &cost) {
        places[$0] = true
        return true
      }
      text.looks.append(places)
    }
    var isMatch = false
    text.follow(program, .fromStart, &cost) { _ in
      isMatch = true
      return false
    }
    return work.spend(cost) ? isMatch : nil
  }
}

/// The budget of work for all matching together: patterns and names come from one file, and each alone may be within
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

/// A text, and where in it look-arounds match.
private struct RegexText {
  let scalars: [Unicode.Scalar]
  /// For each look-around, the places where its expression begins, or ends where it looks behind.
  var looks: [[Bool]] = []

  enum Way {
    case fromStart
    case fromAnywhere(backwards: Bool)
  }

  init(_ text: String) {
    scalars = Array(text.unicodeScalars)
  }

  /// Follows a program through the text.
  ///
  /// - Parameters:
  ///   - program: its steps; compiled in reverse, where the way is backwards.
  ///   - way: where it begins.
  ///   - cost: grows with the work.
  ///   - found: told the places where the expression has matched, and whether to go on.
  func follow(
    _ program: RegexProgram, _ way: Way, _ cost: inout Int, _ found: (Int) -> Bool
  ) {
    let end = program.steps.count
    var current = StepSet(count: end + 1)
    var next = StepSet(count: end + 1)
    for turn in 0...scalars.count {
      let place: Int
      switch way {
      case .fromStart:
        place = turn
        if turn == 0 { enter(0, of: program, at: place, into: &current) }
      case .fromAnywhere(let backwards):
        place = backwards ? scalars.count - turn : turn
        enter(0, of: program, at: place, into: &current)
      }
      if current.contains(end), !found(place) { return }
      // None is left: no match can come any more.
      if case .fromStart = way, current.steps.isEmpty { return }
      guard turn < scalars.count else { return }
      cost += current.steps.count + 1
      next.removeAll()
      let isBackwards = if case .fromAnywhere(true) = way { true } else { false }
      let (scalar, nextPlace) =
        isBackwards ? (scalars[place - 1], place - 1) : (scalars[place], place + 1)
      for step in current.steps where step < end {
        if case .consume(let set) = program.steps[step], set.contains(scalar) {
          enter(step + 1, of: program, at: nextPlace, into: &next)
        }
      }
      swap(&current, &next)
    }
  }

  /// Adds a step and all that follow it without consuming text.
  private func enter(
    _ start: Int, of program: RegexProgram, at place: Int, into set: inout StepSet
  ) {
    var pending = [start]
    while let step = pending.popLast() {
      guard set.insert(step), step < program.steps.count else { continue }
      switch program.steps[step] {
      case .consume: break
      case .split(let first, let second): pending += [second, first]
      case .jump(let target): pending.append(target)
      case .assert(let assertion): if holds(assertion, at: place) { pending.append(step + 1) }
      }
    }
  }

  private func holds(_ assertion: RegexProgram.Assertion, at place: Int) -> Bool {
    switch assertion {
    case .start: return place == 0
    case .end: return place == scalars.count
    case .boundary(let wanted):
      let before = place > 0 && scalars[place - 1].isWord
      let after = place < scalars.count && scalars[place].isWord
      return (before != after) == wanted
    case .look(let number, let wanted): return looks[number][place] == wanted
    }
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
