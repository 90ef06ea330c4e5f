internal import AdapterFormat
internal import AdapterInsight
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// One tensor as operations change it, one after the other, of one adapter or of several; refuses what would undo what
/// came before ([STK-3] to [STK-5], [RES-2]).
struct StackedParameter {
  private let name: Name
  private let members: [Member]
  private var operations: [BoundOperation] = []
  private var first: AdaptedTensor?
  /// The tensor as the last replacement of all of it makes it.
  private var replaced: AdaptedTensor?
  private var replacement: (owner: Int, value: TypedOperand, adapter: Adapter)?
  private var rows = RowsGiven()
  private var lastChange: Int?
  private var rotation: Int?
  private var restoration: Int?
  private var shares: [StackCombination.Share] = []
  /// True if it only serves to test an order.
  private let isTrial: Bool

  /// An adapter of the stack.
  struct Member {
    let label: String
    let weight: Double
  }

  init(_ name: Name, _ members: [Member], isTrial: Bool = false) {
    self.name = name
    self.members = members
    self.isTrial = isTrial
  }

  /// The tensor with what one adapter does to it, where that can be done.
  ///
  /// - Throws: `AdapterError` where an operation would undo an earlier one, or the types do not fit.
  static func checked(_ tensor: AdaptedTensor, of adapter: Adapter) throws -> AdaptedTensor {
    var parameter = StackedParameter(
      tensor.info.name, [Member(label: adapter.name.text, weight: 1)])
    try parameter.append(StackCombination.Share(owner: 0, tensor: tensor))
    return try parameter.tensor() ?? tensor
  }

  /// Adds the changes of one adapter.
  mutating func append(_ share: StackCombination.Share) throws {
    let tensor = share.tensor
    shares.append(share)
    for var operation in tensor.operations {
      operation.owner = share.owner
      operation.factor = members[share.owner].weight
      try checkFactor(of: operation)
      if let restoration { throw conflict(restoration, share.owner, .restored) }
      switch operation.laws?.manner {
      case .replaces(let value): try append(value, operation, share)
      case .replacesRows(let rows, let values): try append(rows, values, operation, share)
      case .rotates: try append(rotation: operation, share)
      case .restores: try append(restoration: operation, share)
      case .adds, .transforms, .precedes, nil: try append(other: operation, share)
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
    let tensor = AdaptedTensor(
      info: shape.info, origin: replaced == nil ? first.origin : nil, kind: shape.kind,
      operations: operations)
    try BoundAdapter.checkType(tensor)
    return tensor
  }

  // MARK: - One operation after the others

  private mutating func append(
    _ value: TypedOperand, _ operation: BoundOperation, _ share: StackCombination.Share
  ) throws {
    let owner = share.owner
    if let first = rows.firstOwner { throw conflict(first, owner, .replacedAfterRows) }
    if let before = replacement {
      guard
        try operation.adapter.holds(value, as: before.value, in: before.adapter)
      else { throw conflict(before.owner, owner, .replacedTwice) }
      return
    }
    if let lastChange { throw conflict(lastChange, owner, .replacedAfterChange) }
    replacement = (owner, value, operation.adapter)
    replaced = share.tensor
    operations.append(operation)
  }

  private mutating func append(
    _ places: [Int], _ values: TypedOperand, _ operation: BoundOperation,
    _ share: StackCombination.Share
  ) throws {
    let owner = share.owner
    if let lastChange { throw conflict(lastChange, owner, .rowsAfterChange) }
    try checkShape(share)
    if let (row, before) = try rows.add(places, values, of: operation.adapter, by: owner) {
      throw conflict(before, owner, .sameRow(row))
    }
    operations.append(operation)
  }

  private mutating func append(
    rotation operation: BoundOperation, _ share: StackCombination.Share
  ) throws {
    if let rotation, rotation != share.owner {
      throw conflict(rotation, share.owner, .rotatedTwice)
    }
    rotation = share.owner
    try append(other: operation, share)
  }

  private mutating func append(
    restoration operation: BoundOperation, _ share: StackCombination.Share
  ) throws {
    if let before = lastChange ?? replacement?.owner ?? rows.firstOwner {
      throw conflict(before, share.owner, .restored)
    }
    restoration = share.owner
    operations.append(operation)
  }

  private mutating func append(
    other operation: BoundOperation, _ share: StackCombination.Share
  ) throws {
    try checkShape(share)
    lastChange = share.owner
    operations.append(operation)
  }

  // MARK: - What stands against it

  /// [STK-3].
  private func checkFactor(of operation: BoundOperation) throws {
    guard operation.factor != 1 else { return }
    let fault: FactorFault
    switch operation.laws?.manner {
    case .replaces, .replacesRows: fault = .replacement
    case .rotates: fault = .rotation
    case .restores: fault = .restoration
    case .adds, .transforms, .precedes, nil: return
    }
    let member = members[operation.owner]
    let error = fault.error(member.weight, on: name)
    throw members.count > 1 ? AdapterError(of: member.label, error) : error
  }

  private func conflict(
    _ first: Int, _ second: Int, _ kind: StackConflict.Kind
  ) -> AdapterError {
    StackConflict(
      parameter: name, first: members[first].label, second: members[second].label, kind: kind,
      isOfOneAdapter: first == second,
      isCuredByExchange: first != second && !isTrial && isPossible([second, first])
    ).error
  }

  /// Returns true if these adapters could change the parameter one after the other.
  private func isPossible(_ order: [Int]) -> Bool {
    var trial = StackedParameter(name, members, isTrial: true)
    do {
      for share in order.compactMap({ owner in shares.first { $0.owner == owner } }) {
        try trial.append(share)
      }
      return true
    } catch {
      return false
    }
  }

  /// An adapter may be for the base's shape, where one before has given the tensor another.
  private func checkShape(_ share: StackCombination.Share) throws {
    guard let replaced, let replacement, replacement.owner != share.owner,
      replaced.info.shape != share.tensor.info.shape
    else { return }
    throw conflict(
      replacement.owner, share.owner, .shapes(replaced.info.shape, share.tensor.info.shape))
  }
}
