internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// The changes of one of a block's expert matrices, of all its experts, as formats hold them that know stacks only:
/// A [E, r, in] and B [E, out, r]. An expert without a change has zeros.
struct ExpertPair: Sendable {
  let module: ExpertModule
  let count: Int
  let rank: Int
  let inputCount: Int
  let outputCount: Int
  /// The scale of B · A: that of most experts. The others have the difference in B.
  let scale: Double
  /// The type that holds all of both.
  let type: ElementType
  /// An operation that it is made of, for messages.
  let operation: AddLowRank
  /// True if B's numbers are rounded.
  private(set) var rounds = false
  private let parts: [Part]

  private enum Part: Sendable {
    /// The change of one expert.
    case expert(Int, PlainPair)
    /// The change of all, in a stack that has rows of other matrices too.
    case stack(AddLowRank, rows: Range<Int>, Adapter)
  }

  var parameterCount: Int { count * rank * (inputCount + outputCount) }

  private init(
    stack low: AddLowRank, _ module: ExpertModule, rows: Range<Int>, of adapter: Adapter
  ) {
    self.module = module
    count = low.experts ?? 1
    (rank, inputCount, outputCount) = (low.rank, low.inputCount, rows.count)
    (scale, operation) = (low.scale, low)
    type = Self.common([low.a.type, low.b.type])
    parts = [.stack(low, rows: rows, adapter)]
  }

  private init(
    _ module: ExpertModule, _ pairs: [Int: PlainPair], count: Int
  ) throws(InteropError) {
    let sorted = pairs.sorted { $0.key < $1.key }
    guard let first = sorted.first?.value, let last = sorted.last?.key, last < count,
      sorted.allSatisfy({
        $0.value.inputCount == first.inputCount && $0.value.outputCount == first.outputCount
      })
    else {
      throw InteropError(
        .notExpressible, at: .tensor(module.weight(of: 0)), "its experts have several shapes")
    }
    self.module = module
    self.count = count
    rank = sorted.map(\.value.low.rank).max() ?? 1
    (inputCount, outputCount) = (first.inputCount, first.outputCount)
    let usual = sorted.map(\.value).usual { $0.low.scale } ?? 1
    (scale, operation) = (usual == 0 ? 1 : usual, first.low)
    var parts: [Part] = []
    for (expert, pair) in sorted {
      var pair = pair
      pair.factor = pair.low.scale / scale
      rounds = rounds || pair.rounds
      parts.append(.expert(expert, pair))
    }
    self.parts = parts
    type = Self.common(
      parts.flatMap { part -> [ElementType] in
        guard case .expert(_, let pair) = part else { return [] }
        return [pair.aType, pair.bType]
      })
  }

  /// The type of all, where they agree; F32 or, where one is that wide, F64.
  private static func common(_ types: [ElementType]) -> ElementType {
    guard let first = types.first, types.contains(where: { $0 != first }) else {
      return types.first ?? .f32
    }
    return types.contains(.f64) ? .f64 : .f32
  }
}

// MARK: - Finding them

extension ExpertPair {
  /// The expert matrices that low-rank changes make up, and the changes that are of something else.
  ///
  /// - Throws: `InteropError` where some experts of a matrix have no change and nothing says how many there are.
  static func split(
    _ lows: [AddLowRank], of adapter: Adapter, for base: Checkpoint?
  ) throws(InteropError) -> (experts: [ExpertPair], others: [AddLowRank]) {
    var stacks: [ExpertPair] = []
    var others: [AddLowRank] = []
    var order: [ExpertModule] = []
    var pairs: [ExpertModule: [Int: PlainPair]] = [:]
    for low in lows {
      if low.experts != nil {
        stacks += try stacked(low, of: adapter, for: base)
      } else if low.magnitude == nil, low.a.shape.count == 2,
        let (module, expert) = ExpertModule.split(low.target.name)
      {
        if pairs[module] == nil { order.append(module) }
        pairs[module, default: [:]][expert] = try PlainPair(low, of: adapter)
      } else {
        others.append(low)
      }
    }
    for module in order {
      let all = pairs[module] ?? [:]
      stacks.append(try ExpertPair(module, all, count: try count(of: module, all.keys, in: base)))
    }
    return (stacks, others)
  }

  private static func stacked(
    _ low: AddLowRank, of adapter: Adapter, for base: Checkpoint?
  ) throws(InteropError) -> [ExpertPair] {
    let place = InteropError.Place.operation(AddLowRank.op, on: low.target.name)
    guard let named = ExpertModule.stacked(low.target.name),
      low.outputCount.isMultiple(of: named.count), low.target.layout != .inOut
    else {
      throw InteropError(
        .notExpressible, at: place,
        "what other programs call this stack of experts is not known here")
    }
    guard let block = block(of: low.target, named[0], in: base) else {
      throw InteropError(
        .undecided(.base), at: place,
        "models of several families have a stack of this name, and store it under others")
    }
    let height = low.outputCount / named.count
    return named.enumerated().map { index, module in
      ExpertPair(
        stack: low, ExpertModule(block: block, role: module.role),
        rows: index * height..<(index + 1) * height, of: adapter)
    }
  }

  /// The path of the block in files: the model's own, but for Mixtral.
  private static func block(
    of target: Target, _ module: ExpertModule, in base: Checkpoint?
  ) -> String? {
    if let bound = target.bound.first {
      return ExpertModule.split(bound)?.module.block ?? module.block
    }
    let inFiles = [
      module, ExpertModule(block: module.blockOfMixtral, role: module.role),
    ]
    guard let base else { return nil }
    if let found = inFiles.first(where: { base.tensor($0.weight(of: 0)) != nil }) {
      return found.block
    }
    return base.tensor(target.name) == nil ? nil : module.block
  }

  private static func count(
    of module: ExpertModule, _ changed: some Collection<Int>, in base: Checkpoint?
  ) throws(InteropError) -> Int {
    let last = changed.max() ?? 0
    if let base {
      var count = 0
      while base.tensor(module.weight(of: count)) != nil { count += 1 }
      let stack = ["gate_up_proj", "down_proj"].lazy
        .compactMap {
          base.tensor(Name("\(module.block).experts.\($0)"))?.info.shape.dimensions.first
        }
      if count == 0 { count = stack.first ?? 0 }
      if count > last { return count }
    }
    guard changed.count == last + 1 else {
      throw InteropError(
        .undecided(.base), at: .tensor(module.weight(of: last)),
        "some experts have no change, and only the base says how many there are")
    }
    return last + 1
  }
}

// MARK: - Values

extension ExpertPair {
  /// A [E, rank, in], zeros where the change is of a lower rank.
  func aValues(rank: Int) throws -> [Double] {
    var result = [Double](repeating: 0, count: count * rank * inputCount)
    for part in parts {
      switch part {
      case .expert(let expert, let pair):
        let values = try pair.aValues()
        result.replaceSubrange(
          expert * rank * inputCount..<expert * rank * inputCount + values.count, with: values)
      case .stack(let low, _, let adapter):
        let values = try OperandValues<Double>(low.a.operand, of: adapter).values
        let size = low.rank * inputCount
        for expert in 0..<count {
          let start = expert * rank * inputCount
          result.replaceSubrange(
            start..<start + size, with: values[expert * size..<(expert + 1) * size])
        }
      }
    }
    return result
  }

  /// B [E, out, rank] times a factor.
  func bValues(rank: Int, times factor: Double) throws -> [Double] {
    var result = [Double](repeating: 0, count: count * outputCount * rank)
    for part in parts {
      switch part {
      case .expert(let expert, let pair):
        let values = try pair.bValues()
        let own = pair.low.rank
        for row in 0..<outputCount {
          for column in 0..<own {
            result[(expert * outputCount + row) * rank + column] =
              values[row * own + column] * factor
          }
        }
      case .stack(let low, let rows, let adapter):
        let values = try OperandValues<Double>(low.b.operand, of: adapter).values
        for expert in 0..<count {
          for row in 0..<outputCount {
            for column in 0..<low.rank {
              result[(expert * outputCount + row) * rank + column] =
                values[
                  (rows.lowerBound + row) * low.rank * count + column * count + expert] * factor
            }
          }
        }
      }
    }
    return result
  }
}
