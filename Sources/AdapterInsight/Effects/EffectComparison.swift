internal import AdapterFormat
public import Operations
internal import Storage
public import StrictJSON

/// Two adapters, compared by what they do to each parameter of a base that they share, without it.
public struct EffectComparison: Sendable {
  /// The parameters that either changes, in the order of the left one and then of the right one.
  public let targets: [Target]
  /// How many of them are not compared: it would take far more memory or time than the adapters are worth.
  public let uncomparedCount: Int

  /// How much is worked out.
  public enum Detail: Sendable {
    /// Norms, distances and cosines.
    case distances
    /// Principal angles as well, which takes several times as long.
    case angles
  }

  /// One parameter, or one soft prompt or prefix.
  public struct Target: Sendable {
    /// Its name; nil for what runs beside the weights, and for an operation of a later version.
    public let name: Name?
    /// The operations on it, by name, of the left adapter or else of the right one.
    public let operations: [String]
    /// How the two stand to each other.
    public let relation: Relation
    /// The parts, where they can be compared. Where only one adapter has the target, the other one's are
    /// zeros.
    public let parts: [PartComparison]
    /// The rows of a prompt or a prefix, where they can be compared.
    public let prompt: PromptDistances?
  }

  /// How two effects on one parameter stand to each other.
  public enum Relation: Sendable, Hashable, CaseIterable {
    /// Both have it, and it is of one kind.
    case compared
    /// Only the left adapter has it.
    case onlyLeft
    /// Only the right adapter has it.
    case onlyRight
    /// Both have it, and what they do cannot be compared without a base, or has other shapes.
    case otherKind
  }

  /// Compares two adapters.
  ///
  /// - Parameters:
  ///   - left: one adapter.
  ///   - right: the other.
  ///   - detail: how much is worked out.
  ///   - report: told after every target how many there are in all; from any thread.
  /// - Throws: `FormatError` where a tensor cannot be read or is damaged.
  public init(
    _ left: Adapter, _ right: Adapter, _ detail: Detail = .distances,
    _ report: @Sendable (_ total: Int) -> Void = { _ in }
  ) throws {
    let pairs = Self.pairs(left, right)
    let efforts = pairs.map { $0.effort(left, right, detail) }
    let areCompared = efforts.worthwhile(inputs: left.storedByteCount + right.storedByteCount)
    uncomparedCount = areCompared.count { !$0 }
    targets = try pairs.indices.concurrentMap { index throws in
      defer { report(pairs.count) }
      guard areCompared[index] else { return pairs[index].uncompared }
      return try pairs[index].compare(left, right, detail)
    }
  }

  private static func pairs(_ left: Adapter, _ right: Adapter) -> [OperationPair] {
    var pairs: [OperationPair] = []
    var places: [Key: Int] = [:]
    var counts: [Key: Int] = [:]
    for (target, operations) in left.operationsByTarget {
      places[Key(target, operations, &counts)] = pairs.count
      pairs.append(OperationPair(name: target, left: operations))
    }
    counts = [:]
    for (target, operations) in right.operationsByTarget {
      if let place = places[Key(target, operations, &counts)] {
        pairs[place].right = operations
      } else {
        pairs.append(OperationPair(name: target, right: operations))
      }
    }
    return pairs
  }

  /// The key of a pair: the target; or, for operations without one, the operation's name, the tokens that it is for,
  /// and its number among several of these.
  private struct Key: Hashable {
    let target: Name?
    let op: String?
    let stream: TokenStream?
    var number = 0

    init(
      _ target: Name?, _ operations: [Operation], _ counts: inout [Key: Int]
    ) {
      self.target = target
      op = target == nil ? operations.first?.name : nil
      stream = operations.first?.kind?.laws.manner.prompt?.stream
      let place = counts[self, default: 0]
      counts[self] = place + 1
      number = place
    }
  }
}

extension EffectComparison.Target {
  /// The largest relative distance of any part, or row; nil where there is none to be had.
  public var relativeDistance: Double? {
    if let prompt { return prompt.relativeDistance }
    guard relation != .otherKind else { return nil }
    // What only one has beside the weights, or what this version does not know.
    guard !parts.isEmpty else { return nil }
    // NaN is the largest of all.
    return parts.map(\.relativeDistance).reduce(0) { $1.isNaN || $0.isNaN ? .nan : max($0, $1) }
  }

  /// Returns true if both do the same, up to a relative distance.
  public func isEqual(tolerance: Double) -> Bool {
    relativeDistance.map { $0 <= tolerance } ?? false
  }
}

extension EffectComparison {
  /// Returns true if both adapters do the same to every parameter, up to a relative distance.
  public func isEqual(tolerance: Double) -> Bool {
    targets.allSatisfy { $0.isEqual(tolerance: tolerance) }
  }

  /// All changes of weights together; nil where some of what is done cannot be compared as such.
  public var weights: PartComparison? {
    let parts = targets.flatMap(\.parts)
    let isComplete =
      targets.allSatisfy { $0.relation != .otherKind } && parts.allSatisfy { $0.space == .weight }
    return isComplete ? PartComparison(summing: parts) : nil
  }
}

/// The operations of two adapters on one parameter.
private struct OperationPair: Sendable {
  let name: Name?
  var left: [Operation] = []
  var right: [Operation] = []

  /// Returns the effort of a comparison.
  func effort(
    _ leftAdapter: Adapter, _ rightAdapter: Adapter, _ detail: EffectComparison.Detail
  ) -> Effort {
    var effort =
      Effort(measuring: left, of: leftAdapter) + Effort(measuring: right, of: rightAdapter)
    if detail == .angles { effort.work *= 8 }
    return effort
  }

  /// The result where a comparison takes too much.
  var uncompared: EffectComparison.Target {
    .init(name: name, operations: names, relation: .otherKind, parts: [], prompt: nil)
  }

  private var names: [String] { (left.isEmpty ? right : left).map(\.name) }

  private static func rows(_ operations: [Operation], _ adapter: Adapter) throws -> PromptRows? {
    try operations.first?.kind?.laws.manner.prompt.map { try PromptRows($0, in: adapter) }
  }

  /// True if one takes the weight as stored and the other takes its transpose: then the same numbers are two changes.
  private var hasLayoutConflict: Bool {
    func layouts(_ operations: [Operation]) -> Set<Layout> {
      Set(operations.compactMap(\.decidedLayout))
    }
    let (mine, theirs) = (layouts(left), layouts(right))
    return !mine.isEmpty && !theirs.isEmpty && mine != theirs
  }

  func compare(
    _ leftAdapter: Adapter, _ rightAdapter: Adapter, _ detail: EffectComparison.Detail
  ) throws -> EffectComparison.Target {
    let relation: EffectComparison.Relation =
      left.isEmpty ? .onlyRight : right.isEmpty ? .onlyLeft : .compared
    guard name != nil else {
      guard let mine = try Self.rows(left, leftAdapter),
        let theirs = try Self.rows(right, rightAdapter),
        let distances = PromptDistances(mine, theirs)
      else {
        return .init(
          name: name, operations: names, relation: relation == .compared ? .otherKind : relation,
          parts: [],
          prompt: nil)
      }
      return .init(name: name, operations: names, relation: .compared, parts: [], prompt: distances)
    }
    let mine = try EffectPart.parts(of: left, in: leftAdapter)
    let theirs = try EffectPart.parts(of: right, in: rightAdapter)
    if relation != .compared {
      var parts: [PartComparison] = []
      for part in mine + theirs { parts.append(try part.alone(isLeft: right.isEmpty)) }
      return .init(name: name, operations: names, relation: relation, parts: parts, prompt: nil)
    }
    var parts: [PartComparison] = []
    for (left, right) in zip(mine, theirs) where !hasLayoutConflict {
      guard let part = try left.compared(to: right, detail) else { break }
      parts.append(part)
    }
    guard mine.count == theirs.count, parts.count == mine.count, !hasLayoutConflict else {
      return .init(name: name, operations: names, relation: .otherKind, parts: [], prompt: nil)
    }
    return .init(name: name, operations: names, relation: .compared, parts: parts, prompt: nil)
  }
}

extension EffectPart {
  /// The comparison with nothing. What is not a number of its own counts as a change: an operation stands
  /// there.
  fileprivate func alone(isLeft: Bool) throws -> PartComparison {
    let isRelativeToNothing = [.weight, .outputFactor, .inputFactor].contains(space)
    let norm = isRelativeToNothing ? try measured().norm ?? .nan : .nan
    return PartComparison(space, PairSums(norm: norm, isLeft: isLeft))
  }
}
