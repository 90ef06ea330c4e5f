internal import AdapterFormat
internal import AdapterInsight
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// Decides what happens to parameters that share one stored tensor ([BND-5]): the same change on both ends is one
/// change; rows that are replaced, and bits that are restored, follow on both; anything else is refused, or each end gets
/// a tensor of its own.
struct TieResolution {
  private(set) var tensors: [AdaptedTensor] = []
  private(set) var isUntied = false
  private(set) var notes: [String] = []
  /// Names that share a tensor and get the same change.
  private(set) var shared: [[Name]] = []

  private var done: Set<Name> = []
  /// Changes that are for all names of a tensor, and those of its names that are not stored.
  private var common: [(slot: BindingSlot, absent: [Name])] = []

  init(
    _ slots: [BindingSlot], of adapter: Adapter, in checkpoint: Checkpoint,
    _ choices: BindingChoices
  ) throws {
    let ties = TiedParameters(checkpoint)
    let byName = Dictionary(uniqueKeysWithValues: slots.map { ($0.name, $0) })
    let byStoredName = Dictionary(grouping: slots, by: \.storedName)
    // What is stored first: a parameter that is made may be the other end of a tie.
    for slot in slots.filter({ $0.stored != nil }) + slots.filter({ $0.stored == nil })
    where !done.contains(slot.name) {
      let name = slot.storedName
      var ends = byStoredName[name] ?? []
      let partners = slot.stored == nil ? [] : ties.partners(of: name)
      if partners.isEmpty, ends.count == 1, slot.name == name {
        // Of one name, as nearly all are.
        tensors.append(slot.tensor(named: name, slot.stored, of: adapter))
        done.insert(name)
        continue
      }
      ends += partners.compactMap { byName[$0] }.filter { end in
        !ends.contains { $0.name == end.name }
      }
      done.formUnion(ends.map(\.name))
      done.insert(name)
      let names = Set(ends.map(\.name)).union(partners).union([name])
      try append(name, ends, names, adapter, checkpoint, choices)
    }
    if isUntied { partAll(ties, of: adapter, in: checkpoint) }
    tensors.sort { $0.info.name < $1.info.name }
  }

  /// A configuration says of all ties at once that they are none: whatever shares a tensor besides gets one of its own too, as
  /// transformers writes it.
  private mutating func partAll(
    _ ties: TiedParameters, of adapter: Adapter, in checkpoint: Checkpoint
  ) {
    for (slot, absent) in common {
      for name in absent where slot.stored != nil {
        tensors.append(slot.tensor(named: name, slot.stored, of: adapter, isNew: true))
      }
    }
    var made = Set(tensors.map(\.info.name))
    for stored in checkpoint.tensors where !done.contains(stored.info.name) {
      for name in ties.partners(of: stored.info.name)
      where checkpoint.tensor(name) == nil && made.insert(name).inserted {
        let copy = BindingSlot(name, stored)
        tensors.append(copy.tensor(named: name, stored, of: adapter, isNew: true))
      }
    }
  }

  /// Resolves one stored tensor: `ends` change it, each under one of the `names` that share it.
  private mutating func append(
    _ name: Name, _ ends: [BindingSlot], _ names: Set<Name>, _ adapter: Adapter,
    _ checkpoint: Checkpoint, _ choices: BindingChoices
  ) throws {
    guard names.count > 1, let first = ends.first else {
      for slot in ends { tensors.append(slot.tensor(named: slot.name, slot.stored, of: adapter)) }
      return
    }
    // Other names may be stored too, as copies.
    let copies = names.filter { $0 != name && checkpoint.tensor($0) != nil }
    let areEqual = try Self.areEqual(ends, adapter)
    let followsOnBoth = first.isForAllNames && copies.isEmpty
    if areEqual, ends.count == names.count || followsOnBoth {
      for copy in [name] + copies.sorted() {
        tensors.append(first.tensor(named: copy, checkpoint.tensor(copy), of: adapter))
      }
      common.append((first, names.subtracting(copies).subtracting([name]).sorted()))
      if ends.count > 1 {
        let list = names.sorted().map(\.text).joined(separator: " and ")
        notes.append("\(list) share a tensor and get the same change, once")
        shared.append(names.sorted())
      }
      return
    }
    let canPart = checkpoint.family.map { !$0.needsTies } ?? (names.count == 2)
    guard choices.ties == .untie, canPart else {
      let end = ends.first { $0.name != name }?.name ?? name
      throw AdapterError.tied(
        end, with: names.sorted().first { $0 != end } ?? name, canPart: canPart)
    }
    isUntied = true
    notes.append(
      names.sorted().map(\.text).joined(separator: " and ") + " no longer share a tensor")
    let sizing = ends.first(where: \.isSizing) ?? first
    for each in names {
      let slot = ends.first { $0.name == each }
      let stored = checkpoint.tensor(each)
      guard let origin = stored ?? first.stored else { continue }
      let own = try slot ?? BindingSlot(each, origin).sized(as: sizing)
      // A name that is stored, and that nothing changes, stays as it is.
      guard slot != nil || stored?.info.shape != own.shape else { continue }
      tensors.append(own.tensor(named: each, origin, of: adapter, isNew: stored == nil))
    }
  }

  /// Returns true if all ends get the same change.
  private static func areEqual(
    _ ends: [BindingSlot], _ adapter: Adapter
  ) throws -> Bool {
    for end in ends.dropFirst() where !(try areEqual(ends.first, end, adapter)) { return false }
    return true
  }

  /// Returns true if two ends get the same change.
  private static func areEqual(
    _ left: BindingSlot?, _ right: BindingSlot?, _ adapter: Adapter
  ) throws -> Bool {
    guard let left, let right, left.operations.count == right.operations.count else { return false }
    for (first, second) in zip(left.operations, right.operations)
    where !(try first.operation.hasSameEffect(as: second.operation, in: adapter)) { return false }
    return true
  }
}

extension BindingSlot {
  /// The name under which it is stored; its own for one that is made.
  fileprivate var storedName: Name { stored?.info.name ?? name }

  /// True if it gives its tensor another size.
  fileprivate var isSizing: Bool { stored.map { $0.info.shape != shape } ?? false }

  /// True if its change to one name of a tensor is meant for the others too.
  fileprivate var isForAllNames: Bool {
    operations.allSatisfy { $0.operation.kind?.laws.manner.isForAllNames ?? false }
  }

  /// Itself, with the rows that the other end of its tie gets where the vocabulary grew. A base of that size is
  /// what was trained on: the replacement of a base layer is its values, and that of a saved module is not.
  ///
  /// - Throws: `AdapterError` where the new rows of this end are nowhere.
  fileprivate func sized(as other: BindingSlot) throws -> BindingSlot {
    guard other.shape != shape,
      let resizing = other.operations.first(where: {
        $0.operation.kind?.laws.manner.value != nil
      })
    else { return self }
    guard resizing.operation.kind?.laws.absence == .refuse else {
      throw AdapterError(
        .inseparable, on: name,
        "shares its tensor with \(other.name), which gets \(other.shape); what it had in the new rows is not in "
          + "the adapter")
    }
    var sized = self
    sized.operations = [resizing]
    sized.shape = other.shape
    return sized
  }

  fileprivate func tensor(
    named name: Name, _ stored: StoredTensor?, of adapter: Adapter, isNew: Bool = false
  ) -> AdaptedTensor {
    let isReplaced = operations.contains { $0.operation.kind?.laws.manner.value != nil }
    let kind: AdaptedTensor.Kind =
      isNew || stored == nil ? .created : stored?.info.shape == shape ? .changed : .resized
    return AdaptedTensor(
      info: TensorInfo(name: name, type: type, shape: shape), origin: isReplaced ? nil : stored,
      kind: kind,
      operations: operations.map { BoundOperation($0.operation, of: adapter, part: $0.part) })
  }
}
