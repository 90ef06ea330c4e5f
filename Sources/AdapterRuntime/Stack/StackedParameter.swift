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
  private var operations: [BoundOperation] = []
  private var first: AdaptedTensor?
  /// What the tensor is after the last replacement of all of it that was kept.
  private var replaced: AdaptedTensor?
  private var replacement: (owner: Int, value: TypedOperand, adapter: Adapter)?
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
  mutating func append(_ share: StackCombination.Share) throws {
    let tensor = share.tensor
    shares.append(share)
    for var operation in tensor.operations {
      operation.owner = share.owner
      operation.factor = stack[share.owner].weight
      switch operation.laws?.manner {
      case .replaces(let value): try append(value, operation, share)
      case .replacesRows(let rows, let values): try append(rows, values, operation, share)
      case .adds, .transforms, .rotates, .restores, .precedes, nil:
        try append(other: operation, share)
      }
    }
    if first == nil { first = tensor }
  }

  /// The tensor with all changes; nil where nothing is left of them.
  func tensor() throws -> AdaptedTensor? {
    guard let first else { return nil }
    let shape = replaced ?? first
    // A tensor that is made is there even where nothing changes it further.
    guard !operations.isEmpty || shape.kind == .created else { return nil }
    let origin = replaced == nil ? checkpoint.tensor(name) ?? first.origin : nil
    let tensor = AdaptedTensor(
      info: shape.info, origin: origin, kind: shape.kind, operations: operations)
    try BoundAdapter.checkType(tensor)
    return tensor
  }

  // MARK: - One operation after the others

  private mutating func append(
    _ value: TypedOperand, _ operation: BoundOperation, _ share: StackCombination.Share
  ) throws {
    let owner = share.owner
    if let row = rows.values.first(where: { $0.owner != owner }) {
      throw conflict(row.owner, owner, .replacedAfterRows)
    }
    let before = replacement
    replacement = replacement ?? (owner, value, operation.adapter)
    if let before {
      guard try areEqual(before.value, before.adapter, value, operation.adapter) else {
        throw conflict(before.owner, owner, .replacedTwice)
      }
      return
    }
    if lastChange == nil, operation.factor == 1 {
      replaced = share.tensor
      return operations.append(operation)
    }
    // With the bytes that are there already it changes nothing, whatever its factor and place.
    if try holdsStoredBytes(value, operation.adapter) { return }
    if let lastChange { throw conflict(lastChange, owner, .replacedAfterChange) }
    throw factorError(.replacement, owner)
  }

  private mutating func append(
    _ places: [Int], _ values: TypedOperand, _ operation: BoundOperation,
    _ share: StackCombination.Share
  ) throws {
    let owner = share.owner
    if let lastChange { throw conflict(lastChange, owner, .rowsAfterChange) }
    try checkShape(share)
    guard operation.factor == 1 else { throw factorError(.replacement, owner) }
    let contents = try contents(of: values, operation.adapter, owner)
    let width = contents.count / max(1, places.count)
    for (place, row) in places.enumerated() {
      let bytes = Array(contents[place * width..<(place + 1) * width])
      if let before = rows[row], before.owner != owner, before.values != bytes {
        throw conflict(before.owner, owner, .sameRow(row))
      }
      rows[row] = (owner, bytes)
    }
    operations.append(operation)
  }

  private mutating func append(
    other operation: BoundOperation, _ share: StackCombination.Share
  ) throws {
    let owner = share.owner
    try checkShape(share)
    switch operation.laws?.manner {
    case .rotates:
      if let rotation, rotation != owner { throw conflict(rotation, owner, .rotatedTwice) }
      guard operation.factor == 1 else { throw factorError(.rotation, owner) }
      rotation = owner
    case .restores:
      guard operation.factor == 1 else { throw factorError(.restoration, owner) }
    case .adds, .transforms, .replaces, .replacesRows, .precedes, nil: break
    }
    lastChange = owner
    operations.append(operation)
  }

  // MARK: - What stands against it

  private func conflict(
    _ first: Int, _ second: Int, _ kind: StackConflict.Kind
  ) -> AdapterError {
    StackConflict(
      parameter: name, first: stack[first].label, second: stack[second].label, kind: kind,
      isCuredByExchange: !isTrial && isPossible([second, first])
    ).error
  }

  /// Whether these adapters could change the parameter one after the other.
  private func isPossible(_ order: [Int]) -> Bool {
    var trial = StackedParameter(name, stack, checkpoint, isTrial: true)
    do {
      for share in order.compactMap({ owner in shares.first { $0.owner == owner } }) {
        try trial.append(share)
      }
      return true
    } catch {
      return false
    }
  }

  private func factorError(_ fault: FactorFault, _ owner: Int) -> any Error {
    named(fault.error(stack[owner].weight, on: name), owner)
  }

  private func named(_ error: any Error, _ owner: Int) -> any Error {
    stack.count > 1 ? AdapterError(of: stack[owner].label, error) : error
  }

  /// Every adapter is bound to the base's shape; one before may have given the tensor another.
  private func checkShape(_ share: StackCombination.Share) throws {
    guard let replaced, let replacement, replacement.owner != share.owner,
      replaced.info.shape != share.tensor.info.shape
    else { return }
    throw conflict(
      replacement.owner, share.owner, .shapes(replaced.info.shape, share.tensor.info.shape))
  }

  // MARK: - Comparing bytes

  private func contents(
    of operand: TypedOperand, _ adapter: Adapter, _ owner: Int
  ) throws -> [UInt8] {
    do {
      return try OperandBytes.contents(of: operand.operand, adapter)
    } catch {
      throw named(error, owner)
    }
  }

  private func areEqual(
    _ left: TypedOperand, _ leftAdapter: Adapter, _ right: TypedOperand, _ rightAdapter: Adapter
  ) throws -> Bool {
    guard left.type == right.type, left.shape == right.shape else { return false }
    let bytes = try OperandBytes.contents(of: left.operand, leftAdapter)
    return try bytes == OperandBytes.contents(of: right.operand, rightAdapter)
  }

  private func holdsStoredBytes(
    _ value: TypedOperand, _ adapter: Adapter
  ) throws -> Bool {
    guard let stored = checkpoint.tensor(name), stored.info.type == value.type,
      stored.info.shape.dimensions == value.shape
    else { return false }
    let bytes = try OperandBytes.contents(of: value.operand, adapter)
    var rest = bytes[...]
    var isSame = true
    try unsafe TensorReader(stored).readTiles { _, tile in
      isSame = unsafe rest.prefix(tile.count).elementsEqual(tile)
      rest = rest.dropFirst(tile.count)
      return isSame
    }
    return isSame
  }
}
