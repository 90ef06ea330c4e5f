internal import AdapterFormat
internal import AdapterInsight
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// Decides what happens to parameters that share one stored tensor (Spec/adp-v1.md, section 8): the
/// same change on both ends is one change; rows that are replaced, and bits that are restored, follow on both; anything else is
/// refused, or each end gets a tensor of its own.
struct TieResolution {
  private(set) var tensors: [AdaptedTensor] = []
  private(set) var isUntied = false
  private(set) var notes: [String] = []
  /// Names that share a tensor and get the same change.
  private(set) var shared: [[Name]] = []

  private var done: Set<Name> = []

  init(
    _ slots: [ChangeSlot], of adapter: Adapter, in checkpoint: Checkpoint,
    _ choices: BindingChoices
  ) throws(RuntimeError) {
    let ties = TiedParameters(checkpoint)
    let byName = Dictionary(uniqueKeysWithValues: slots.map { ($0.name, $0) })
    // What is stored first: a parameter that is made may be the other end of a tie.
    for slot in slots.filter({ $0.stored != nil }) + slots.filter({ $0.stored == nil })
    where !done.contains(slot.name) {
      let name = slot.stored?.info.name ?? slot.name
      var ends = slots.filter { ($0.stored?.info.name ?? $0.name) == name }
      let partners = slot.stored == nil ? [] : ties.partners(of: name)
      ends += partners.compactMap { byName[$0] }.filter { end in
        !ends.contains { $0.name == end.name }
      }
      done.formUnion(ends.map(\.name))
      let names = Set(ends.map(\.name)).union(partners).union([name])
      try append(name, ends, names, adapter, checkpoint, choices)
    }
    tensors.sort { $0.info.name < $1.info.name }
  }

  /// Resolves one stored tensor: `ends` change it, each under one of the `names` that share it.
  private mutating func append(
    _ name: Name, _ ends: [ChangeSlot], _ names: Set<Name>, _ adapter: Adapter,
    _ checkpoint: Checkpoint, _ choices: BindingChoices
  ) throws(RuntimeError) {
    guard names.count > 1, let first = ends.first else {
      for slot in ends { tensors.append(slot.tensor(named: slot.name, slot.stored, of: adapter)) }
      return
    }
    // Other names may be stored too, as copies.
    let copies = names.filter { $0 != name && checkpoint.tensor($0) != nil }
    let areEqual = try Self.areEqual(ends, adapter)
    let isOfEmbedding = ends.contains { !AnyFamily.isOutputLayer($0.name) }
    let followsOnBoth = first.isForAllNames && isOfEmbedding && copies.isEmpty
    if areEqual, ends.count == names.count || followsOnBoth {
      for copy in [name] + copies.sorted() {
        tensors.append(first.tensor(named: copy, checkpoint.tensor(copy), of: adapter))
      }
      if ends.count > 1 {
        let list = names.sorted().map(\.text).joined(separator: " and ")
        notes.append("\(list) share a tensor and get the same change, once")
        shared.append(names.sorted())
      }
      return
    }
    guard choices.ties == .untie, names.count == 2 else {
      let end = ends.first { $0.name != name }?.name ?? name
      throw .tied(end, with: names.sorted().first { $0 != end } ?? name)
    }
    isUntied = true
    notes.append(
      names.sorted().map(\.text).joined(separator: " and ") + " no longer share a tensor")
    for each in names {
      let slot = ends.first { $0.name == each }
      let stored = checkpoint.tensor(each)
      // A name that is stored, and that nothing changes, stays as it is.
      guard slot != nil || stored == nil, let origin = stored ?? first.stored else { continue }
      let own = slot ?? ChangeSlot(each, origin)
      tensors.append(own.tensor(named: each, origin, of: adapter, isNew: stored == nil))
    }
  }

  /// Whether all ends get the same change.
  private static func areEqual(
    _ ends: [ChangeSlot], _ adapter: Adapter
  ) throws(RuntimeError) -> Bool {
    for end in ends.dropFirst() where !(try areEqual(ends.first, end, adapter)) { return false }
    return true
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
  /// Whether what it does to one of the names of a tensor is meant for the others too.
  fileprivate var isForAllNames: Bool {
    changes.allSatisfy {
      switch $0.operation {
      case .replaceRows, .restore: true
      default: false
      }
    }
  }

  fileprivate func tensor(
    named name: Name, _ stored: StoredTensor?, of adapter: Adapter, isNew: Bool = false
  ) -> AdaptedTensor {
    let isReplaced = changes.contains { if case .replace = $0.operation { true } else { false } }
    let kind: AdaptedTensor.Kind =
      isNew || stored == nil ? .created : stored?.info.shape == shape ? .changed : .resized
    return AdaptedTensor(
      info: TensorInfo(name: name, type: type, shape: shape), origin: isReplaced ? nil : stored,
      kind: kind,
      changes: changes.map { ParameterChange($0.operation, of: adapter, part: $0.part) },
      owners: changes.map { _ in 0 })
  }
}

extension Operation {
  /// Whether both do the same to one stored matrix: equal values, or a low-rank change of a matrix
  /// and the same of its transpose.
  fileprivate func hasEffect(
    of other: Operation, _ adapter: Adapter
  ) throws(FormatError) -> Bool {
    func areEqual(_ left: TypedOperand, _ right: TypedOperand) throws(FormatError) -> Bool {
      guard left.type == right.type, left.shape == right.shape else { return false }
      let first = try OperandBytes.contents(of: left.operand, adapter)
      return first == (try OperandBytes.contents(of: right.operand, adapter))
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
