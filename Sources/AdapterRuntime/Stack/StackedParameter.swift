internal import AdapterFormat
internal import AdapterInsight
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// One tensor as the adapters of a stack change it, one after the other; refuses what would undo what
/// came before.
struct StackedParameter {
  private let name: Name
  private let stack: [AppliedAdapter]
  private let checkpoint: Checkpoint
  private var changes: [ParameterChange] = []
  private var owners: [Int] = []
  private var first: AdaptedTensor?
  /// What the tensor is after the last replacement of all of it that was kept.
  private var replaced: AdaptedTensor?
  private var replacement: (owner: Int, replace: Replace, adapter: Adapter)?
  private var rows: [Int: (owner: Int, values: [UInt8])] = [:]
  private var lastChange: Int?
  private var rotation: Int?
  private var shares: [StackCombination.Share] = []
  /// Whether it is only to show if an order is possible.
  private let isTrial: Bool

  init(
    _ name: Name, _ stack: [AppliedAdapter], _ checkpoint: Checkpoint, isTrial: Bool = false
  ) {
    self.name = name
    self.stack = stack
    self.checkpoint = checkpoint
    self.isTrial = isTrial
  }

  /// Adds the changes of one adapter.
  mutating func append(_ share: StackCombination.Share) throws(RuntimeError) {
    let tensor = share.tensor
    shares.append(share)
    for var change in tensor.changes {
      change.weight = stack[share.owner].weight
      switch change.operation {
      case .replace(let replace): try append(replace, change, share)
      case .replaceRows(let replace): try append(replace, change, share)
      default: try append(other: change, share)
      }
    }
    if first == nil { first = tensor }
  }

  /// The tensor with all changes; nil where nothing is left of them.
  func tensor() throws(RuntimeError) -> AdaptedTensor? {
    guard let first else { return nil }
    let shape = replaced ?? first
    // A tensor that is made is there even where nothing changes it further.
    guard !changes.isEmpty || shape.kind == .created else { return nil }
    let origin = replaced == nil ? checkpoint.tensor(name) ?? first.origin : nil
    let tensor = AdaptedTensor(
      info: shape.info, origin: origin, kind: shape.kind, changes: changes, owners: owners)
    try BoundAdapter.checkType(tensor)
    return tensor
  }

  // MARK: - One operation after the others

  private mutating func append(
    _ replace: Replace, _ change: ParameterChange, _ share: StackCombination.Share
  ) throws(RuntimeError) {
    let owner = share.owner
    if let row = rows.values.first(where: { $0.owner != owner }) {
      throw conflict(row.owner, owner, .replacedAfterRows)
    }
    let before = replacement
    replacement = replacement ?? (owner, replace, change.adapter)
    if let before {
      guard try areEqual(before.replace, before.adapter, replace, change.adapter) else {
        throw conflict(before.owner, owner, .replacedTwice)
      }
      return
    }
    if lastChange == nil, change.weight == 1 {
      replaced = share.tensor
      return keep(change, owner)
    }
    // With the bytes that are there already it changes nothing, whatever its weight and place.
    if try holdsStoredBytes(replace, change.adapter) { return }
    if let lastChange { throw conflict(lastChange, owner, .replacedAfterChange) }
    throw weightError(.replacement, owner)
  }

  private mutating func append(
    _ replace: ReplaceRows, _ change: ParameterChange, _ share: StackCombination.Share
  ) throws(RuntimeError) {
    let owner = share.owner
    if let lastChange { throw conflict(lastChange, owner, .rowsAfterChange) }
    try checkShape(share)
    guard change.weight == 1 else { throw weightError(.replacement, owner) }
    let values = try contents(of: replace.values, change.adapter, owner)
    let width = values.count / max(1, replace.rows.count)
    for (place, row) in replace.rows.enumerated() {
      let bytes = Array(values[place * width..<(place + 1) * width])
      if let before = rows[row], before.owner != owner, before.values != bytes {
        throw conflict(before.owner, owner, .sameRow(row))
      }
      rows[row] = (owner, bytes)
    }
    keep(change, owner)
  }

  private mutating func append(
    other change: ParameterChange, _ share: StackCombination.Share
  ) throws(RuntimeError) {
    let owner = share.owner
    try checkShape(share)
    if change.operation.isRotation {
      if let rotation, rotation != owner { throw conflict(rotation, owner, .rotatedTwice) }
      guard change.weight == 1 else { throw weightError(.rotation, owner) }
      rotation = owner
    }
    if case .restore = change.operation, change.weight != 1 {
      throw weightError(.restoration, owner)
    }
    lastChange = owner
    keep(change, owner)
  }

  private mutating func keep(_ change: ParameterChange, _ owner: Int) {
    changes.append(change)
    owners.append(owner)
  }

  // MARK: - What stands against it

  private func conflict(
    _ first: Int, _ second: Int, _ kind: StackConflict.Kind
  ) -> RuntimeError {
    .conflict(
      StackConflict(
        parameter: name, first: stack[first].label, second: stack[second].label, kind: kind,
        isCuredByExchange: !isTrial && isPossible([second, first])))
  }

  /// Whether these adapters could change the parameter one after the other.
  private func isPossible(_ order: [Int]) -> Bool {
    var trial = StackedParameter(name, stack, checkpoint, isTrial: true)
    do throws(RuntimeError) {
      for share in order.compactMap({ owner in shares.first { $0.owner == owner } }) {
        try trial.append(share)
      }
      return true
    } catch {
      return false
    }
  }

  private func weightError(_ kind: RuntimeError.WeightFault, _ owner: Int) -> RuntimeError {
    named(.weight(kind, stack[owner].weight, on: name), owner)
  }

  private func named(_ error: RuntimeError, _ owner: Int) -> RuntimeError {
    stack.count > 1 ? .inStack(stack[owner].label, error) : error
  }

  /// Every adapter is bound to the base's shape; one before may have given the tensor another.
  private func checkShape(_ share: StackCombination.Share) throws(RuntimeError) {
    guard let replaced, let replacement, replacement.owner != share.owner,
      replaced.info.shape != share.tensor.info.shape
    else { return }
    throw conflict(
      replacement.owner, share.owner, .shapes(replaced.info.shape, share.tensor.info.shape))
  }

  // MARK: - Comparing bytes

  private func contents(
    of operand: TypedOperand, _ adapter: Adapter, _ owner: Int
  ) throws(RuntimeError) -> [UInt8] {
    try rethrowing(as: { named(.format($0), owner) }) { () throws(FormatError) in
      try OperandBytes.contents(of: operand.operand, adapter)
    }
  }

  private func areEqual(
    _ left: Replace, _ leftAdapter: Adapter, _ right: Replace, _ rightAdapter: Adapter
  ) throws(RuntimeError) -> Bool {
    guard left.value.type == right.value.type, left.value.shape == right.value.shape else {
      return false
    }
    return try decoding { () throws(FormatError) in
      let bytes = try OperandBytes.contents(of: left.value.operand, leftAdapter)
      return bytes == (try OperandBytes.contents(of: right.value.operand, rightAdapter))
    }
  }

  private func holdsStoredBytes(
    _ replace: Replace, _ adapter: Adapter
  ) throws(RuntimeError) -> Bool {
    guard let stored = checkpoint.tensor(name), stored.info.type == replace.value.type,
      stored.info.shape.dimensions == replace.value.shape
    else { return false }
    let bytes = try decoding { () throws(FormatError) in
      try OperandBytes.contents(of: replace.value.operand, adapter)
    }
    var rest = bytes[...]
    var isSame = true
    try unsafe TensorReader(stored).forEachTile { _, tile throws(RuntimeError) in
      isSame = unsafe rest.prefix(tile.count).elementsEqual(tile)
      rest = rest.dropFirst(tile.count)
      return isSame
    }
    return isSame
  }
}

extension Operation {
  /// Whether it turns the weight: half of a rotation is none, and two do not commute.
  fileprivate var isRotation: Bool {
    switch self {
    case .rotateInput, .rotateButterfly, .reflectInput, .rotateOutput: true
    default: false
    }
  }
}
