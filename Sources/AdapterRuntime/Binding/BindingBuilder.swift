internal import AdapterFormat
internal import AdapterInsight
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// Operations that meet in one parameter of a base, under one of the names it has there.
struct BindingSlot {
  /// The parameter's name in the base.
  let name: Name
  /// The stored tensor; nil where the base has none.
  let stored: StoredTensor?
  /// The type and shape that the tensor will have, before a replacement sizes it anew.
  var type: ElementType
  var shape: Shape
  /// The operations that change it, in order.
  var operations: [(operation: Operation, part: BoundOperation.Part)] = []
}

extension BindingSlot {
  /// A parameter as the base stores it.
  init(_ name: Name, _ stored: StoredTensor) {
    self.init(name: name, stored: stored, type: stored.info.type, shape: stored.info.shape)
  }
}

/// Goes through an adapter's operations, decides what a base decides of each, and collects what
/// changes which tensor.
struct BindingBuilder {
  private let adapter: Adapter
  private let checkpoint: Checkpoint
  private let binding: ParameterBinding
  private let sizes: StackSizes
  private let layouts: LayoutResolution
  private(set) var operations: [Operation] = []
  private(set) var slots: [BindingSlot] = []
  private(set) var undecided: [Name] = []
  private(set) var notes: [String] = []
  /// The stored tensors that are given the values that they have.
  private(set) var held: [Name] = []
  private var answers: [HeldKey: Bool] = [:]

  private struct HeldKey: Hashable {
    let operand: Operand
    let stored: Name
  }
  private var places: [Name: Int] = [:]

  init(
    _ adapter: Adapter, _ checkpoint: Checkpoint, _ binding: ParameterBinding, _ sizes: StackSizes,
    userLayout: Layout?
  ) {
    self.sizes = sizes
    self.adapter = adapter
    self.checkpoint = checkpoint
    self.binding = binding
    layouts = LayoutResolution(checkpoint, userLayout: userLayout)
  }

  mutating func append(_ operation: Operation) throws {
    guard let target = operation.target else { return operations.append(operation) }
    switch binding[target.name] {
    case .stored(let stored, let name):
      try change(slot(name, stored, for: operation), by: operation)
    case .undecidedParts: undecided.append(target.name)
    case .parts(let parts, let layout):
      try checkView(operation, layout)
      let bound = record(
        operation, layout, .sure, shape: target.shape, bound: parts.map(\.tensor.info.name))
      for (tensor, part) in parts {
        try add(
          bound, .expert(part.expert, rows: part.rows), to: BindingSlot(tensor.info.name, tensor))
      }
    case .region(let stored, let rows):
      let bound = record(
        operation, .outIn, .sure, shape: target.shape, bound: [stored.info.name])
      try add(bound, .region(rows: rows), to: BindingSlot(stored.info.name, stored))
    case .absent(let name): try create(name, by: operation)
    }
  }

  /// A parameter as the base stores it, or as another adapter sizes it before.
  private func slot(
    _ name: Name, _ stored: StoredTensor, for operation: Operation
  ) -> BindingSlot {
    var slot = BindingSlot(name, stored)
    if let shape = sizes[stored.info.name], operation.fits(shape.dimensions) { slot.shape = shape }
    return slot
  }

  /// Holds what is recorded of a stack against the way in which its parts lie in the base.
  private func checkView(_ operation: Operation, _ layout: Layout) throws {
    guard let target = operation.target else { return }
    if target.layoutSource == .sure, let before = target.layout,
      ![.unresolved, layout].contains(before)
    {
      throw AdapterError.layoutConflict(
        target.name, "recorded as \(before.rawValue), the base's parts show \(layout.rawValue)")
    }
    guard let view = operation.kind?.extent.stackShape(layout) else { return }
    try check(operation, view, layout)
  }

  /// [BND-2].
  private func check(_ operation: Operation, _ shape: Shape, _ layout: Layout) throws {
    guard let target = operation.target, !operation.fits(shape.dimensions, layout) else { return }
    throw AdapterError.shape(
      target.name, expected: operation.expectation(of: shape.dimensions, layout), found: shape)
  }

  /// Changes a parameter that the base stores, or that another operation makes.
  private mutating func change(
    _ fresh: BindingSlot, by operation: Operation
  ) throws {
    guard let target = operation.target else { return }
    // What came before may have sized it anew.
    let slot = places[fresh.name].map { slots[$0] } ?? fresh
    let bound = fresh.stored.map { [$0.info.name] } ?? []
    let stored = fresh.stored?.info.name ?? fresh.name
    let recorded: Operation
    if target.layout == nil {
      try check(operation, slot.shape, .outIn)
      let shape = operation.isReplacement ? target.shape : slot.shape
      recorded = record(operation, nil, shape: shape, bound: bound)
    } else {
      guard let (layout, source) = try layouts.layout(of: operation, slot.shape, stored)
      else { return undecided.append(target.name) }
      if let before = target.layout, before != .unresolved, before != layout {
        notes.append(
          "\(target.name): stored as \(layout.rawValue), \(before.rawValue) was a guess")
      }
      recorded = record(operation, layout, source, shape: slot.shape, bound: bound)
    }
    try add(recorded, .whole, to: fresh)
    if let stored = fresh.stored { try changeBias(beside: stored, by: recorded) }
  }

  private mutating func changeBias(
    beside stored: StoredTensor, by operation: Operation
  ) throws {
    guard let count = operation.kind?.laws.biasCount,
      let name = Target.bias(beside: stored.info.name),
      let bias = checkpoint.tensor(name)
    else { return }
    var slot = BindingSlot(name, bias)
    slot.shape = places[name].map { slots[$0].shape } ?? sizes[bias.info.name] ?? bias.info.shape
    guard slot.shape.dimensions == [count] else {
      throw AdapterError.shape(name, expected: "[\(count)]", found: slot.shape)
    }
    try add(operation, .bias, to: slot)
  }

  /// The operation with what the base has decided.
  private mutating func record(
    _ operation: Operation, _ layout: Layout?, _ source: LayoutSource? = nil,
    shape: Shape?, bound: [Name]
  ) -> Operation {
    guard var target = operation.target else { return operation }
    target.layout = layout
    target.layoutSource = source ?? target.layoutSource
    target.shape = shape
    target.bound = bound
    let result = operation.with(target)
    operations.append(result)
    return result
  }

  private mutating func create(
    _ name: Name, by operation: Operation
  ) throws {
    guard let target = operation.target, let laws = operation.kind?.laws else { return }
    // What an operation before has made is not absent any more.
    if let place = places[name] { return try change(slots[place], by: operation) }
    switch laws.absence {
    case .skip:
      notes.append("\(target.name): the base has none, and it is left out")
      _ = record(operation, nil, shape: target.shape, bound: [])
    case .make(let type, let dimensions):
      try make(name, type, dimensions, by: operation)
    case .makeBias(let count):
      let weight = Name(name.dropLast("bias".utf8.count).text + "weight")
      guard let info = checkpoint.tensor(weight)?.info else {
        throw AdapterError.binding(.unbound([target.name: []]))
      }
      // As long as the weight's output, which is at one end of its shape or at the other.
      let dimensions = info.shape.dimensions
      guard [dimensions.first, dimensions.last].contains(count) else {
        throw AdapterError.shape(target.name, expected: "[\(count)]", found: info.shape)
      }
      try make(name, info.type, [count], by: operation)
    case .refuse: throw AdapterError.binding(.unbound([target.name: []]))
    }
  }

  private mutating func make(
    _ name: Name, _ type: ElementType, _ dimensions: [Int], by operation: Operation
  ) throws {
    guard let shape = Shape(dimensions.map(UInt64.init)) else { return }
    let bound = record(operation, nil, shape: operation.target?.shape, bound: [])
    try add(bound, .whole, to: BindingSlot(name: name, stored: nil, type: type, shape: shape))
  }

  /// Returns true if the base has the value that is given; asked once for each operand and tensor.
  private mutating func isHeld(
    _ value: TypedOperand, by stored: StoredTensor
  ) throws -> Bool {
    let key = HeldKey(operand: value.operand, stored: stored.info.name)
    if let answer = answers[key] { return answer }
    let answer = try adapter.holds(value, as: stored)
    answers[key] = answer
    return answer
  }

  private mutating func add(
    _ operation: Operation, _ part: BoundOperation.Part, to slot: BindingSlot
  ) throws {
    guard slot.shape.dimensions.allSatisfy({ Int32(exactly: $0) != nil }) else {
      throw AdapterError.notMergeable("\(slot.name) has a dimension over 2^31 - 1")
    }
    guard let laws = operation.kind?.laws, !laws.isIdle else { return }
    if let value = laws.manner.value, let stored = slot.stored, try isHeld(value, by: stored) {
      return held.append(stored.info.name)
    }
    let place = places[slot.name, default: slots.count]
    if place == slots.count {
      places[slot.name] = place
      slots.append(slot)
    }
    if let value = laws.manner.value, let shape = Shape(value.shape.map(UInt64.init)) {
      slots[place].shape = shape
    }
    slots[place].operations.append((operation, part))
  }
}

extension Operation {
  /// True if it gives values, whatever was there.
  var isReplacement: Bool { kind?.laws.manner.isReplacement ?? false }
}
