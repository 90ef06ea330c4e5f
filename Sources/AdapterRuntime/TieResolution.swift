internal import AdapterFormat
internal import AdapterMath
internal import Adapters
internal import Checkpoints
internal import Storage
internal import StrictJSON

/// Decides what happens to parameters that share one stored tensor (Spec/adp-v1.md, section 8): the
/// same change on both ends is one change; rows that are replaced follow on both; anything else is
/// refused, or each end gets a tensor of its own.
struct TieResolution {
  private(set) var tensors: [AdaptedTensor] = []
  private(set) var isUntied = false
  private(set) var notes: [String] = []

  init(
    _ slots: [ChangeSlot], of adapter: Adapter, in checkpoint: Checkpoint,
    _ choices: BindingChoices
  ) throws(RuntimeError) {
    var byStored: [Name: [ChangeSlot]] = [:]
    for slot in slots { byStored[slot.stored?.info.name ?? slot.name, default: []].append(slot) }
    for (name, ends) in byStored.sorted(by: { $0.key < $1.key }) {
      try append(name, ends, byStored, adapter, checkpoint, choices)
    }
    tensors.sort { $0.info.name < $1.info.name }
  }

  private mutating func append(
    _ name: Name, _ ends: [ChangeSlot], _ all: [Name: [ChangeSlot]], _ adapter: Adapter,
    _ checkpoint: Checkpoint, _ choices: BindingChoices
  ) throws(RuntimeError) {
    let partner =
      ends.first { $0.name != name }?.name ?? TiedNames.partner(of: name, in: checkpoint)
    guard let stored = ends.compactMap(\.stored).first, let partner else {
      for slot in ends { tensors.append(slot.tensor(named: slot.name, slot.stored)) }
      return
    }
    // The partner may be a stored tensor too, with slots of its own.
    let own = ends.first { $0.name == name }
    let other = ends.first { $0.name == partner } ?? all[partner]?.first
    let partnerIsStored = checkpoint.tensor(partner) != nil
    if try Self.areEqual(own, other, adapter) {
      if let slot = own ?? other { tensors.append(slot.tensor(named: name, stored)) }
      return notes.append("\(name) and \(partner) share a tensor and get the same change, once")
    }
    if let slot = own ?? other, own == nil || other == nil, slot.replacesRowsOnly, !partnerIsStored
    {
      return tensors.append(slot.tensor(named: name, stored))
    }
    guard choices.ties == .untie else {
      throw .tied(own?.name ?? partner, with: own == nil ? name : partner)
    }
    isUntied = true
    notes.append("\(name) and \(partner) no longer share a tensor")
    if let own { tensors.append(own.tensor(named: name, stored)) }
    guard !partnerIsStored else { return }
    let slot =
      other
      ?? ChangeSlot(name: partner, stored: stored, type: stored.info.type, shape: stored.info.shape)
    tensors.append(slot.tensor(named: partner, stored, isNew: true))
  }

  /// Whether two ends get the same change.
  private static func areEqual(
    _ left: ChangeSlot?, _ right: ChangeSlot?, _ adapter: Adapter
  ) throws(RuntimeError) -> Bool {
    guard let left, let right, left.changes.count == right.changes.count else { return false }
    for (first, second) in zip(left.changes, right.changes) {
      let isEqual = try decoding { () throws(FormatError) in
        try first.operation.hasEffect(of: second.operation, adapter)
      }
      guard isEqual else { return false }
    }
    return true
  }
}

extension ChangeSlot {
  fileprivate var replacesRowsOnly: Bool {
    changes.allSatisfy { if case .replaceRows = $0.operation { true } else { false } }
  }

  fileprivate func tensor(
    named name: Name, _ stored: StoredTensor?, isNew: Bool = false
  ) -> AdaptedTensor {
    var isReplaced = false
    if case .replace = changes.first?.operation { isReplaced = true }
    let kind: AdaptedTensor.Kind =
      isNew || stored == nil ? .created : stored?.info.shape == shape ? .changed : .resized
    return AdaptedTensor(
      info: TensorInfo(name: name, type: type, shape: shape), origin: isReplaced ? nil : stored,
      kind: kind, changes: changes)
  }
}

extension Adapters.Operation {
  /// Whether both do the same to one stored matrix: equal values, or a low-rank change of a matrix
  /// and the same of its transpose.
  fileprivate func hasEffect(
    of other: Adapters.Operation, _ adapter: Adapter
  ) throws(FormatError) -> Bool {
    func areEqual(_ left: TypedOperand, _ right: TypedOperand) throws(FormatError) -> Bool {
      guard left.type == right.type, left.shape == right.shape else { return false }
      let first = try OperandValues<Double>(left.operand, of: adapter).values
      return first == (try OperandValues<Double>(right.operand, of: adapter).values)
    }
    func areTransposed(_ left: TypedOperand, _ right: TypedOperand) throws(FormatError) -> Bool {
      guard left.type == right.type, left.shape.count == 2, left.shape == right.shape.reversed()
      else { return false }
      let first = try OperandValues<Double>(left.operand, of: adapter).values
      let second = try OperandValues<Double>(right.operand, of: adapter).values
      let (rows, columns) = (left.shape[0], left.shape[1])
      return first.indices.allSatisfy {
        first[$0] == second[$0 % columns * rows + $0 / columns]
      }
    }
    switch (self, other) {
    case (.replace(let left), .replace(let right)):
      return try areEqual(left.value, right.value)
    case (.replaceRows(let left), .replaceRows(let right)):
      guard left.rows == right.rows else { return false }
      return try areEqual(left.values, right.values)
    case (.add(let left), .add(let right)):
      guard left.scale == right.scale else { return false }
      return try areEqual(left.delta, right.delta)
    case (.addLowRank(let left), .addLowRank(let right)):
      guard left.scale == right.scale, left.summary.traits.isEmpty, right.summary.traits.isEmpty
      else { return false }
      let isSameWay = left.weight.layout == right.weight.layout
      let areSame = isSameWay ? areEqual : areTransposed
      guard try areSame(left.a, isSameWay ? right.a : right.b) else { return false }
      return try areSame(left.b, isSameWay ? right.b : right.a)
    default: return false
    }
  }
}
