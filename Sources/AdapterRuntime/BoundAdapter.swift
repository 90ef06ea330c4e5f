internal import AdapterFormat
public import Adapters
public import Checkpoints
internal import Storage
internal import StrictJSON

/// An adapter whose operations are bound to the stored tensors of one base, all layouts decided.
public struct BoundAdapter: Sendable {
  /// The adapter; its operations carry what the base decided.
  public let adapter: Adapter
  /// How its targets were found.
  public let rule: NameBinding.Rule
  /// Decisions that a user should know of.
  public let notes: [String]
  /// The operations and the stored tensors they change, in order.
  let changes: [(operation: AddLowRank, tensor: StoredTensor)]

  /// Binds an adapter to a base.
  ///
  /// - Parameters:
  ///   - adapter: the adapter.
  ///   - checkpoint: the base.
  ///   - userLayout: what the user says of square weights that nothing else decides.
  /// - Throws: `RuntimeError` where an operation cannot be applied, or a target is missing, of
  ///   another shape or type, or of an undecided layout.
  public init(
    _ adapter: Adapter, to checkpoint: Checkpoint, userLayout: Layout? = nil
  ) throws(RuntimeError) {
    let operations = try Self.lowRank(adapter)
    let binding = try Self.bind(operations, checkpoint)
    let resolution = LayoutResolution(checkpoint, userLayout: userLayout)
    var changes: [(AddLowRank, StoredTensor)] = []
    var undecided: [Name] = []
    var notes: [String] = []
    for var operation in operations {
      guard let stored = binding.stored[operation.target].flatMap(checkpoint.tensor) else {
        throw .binding(.unbound([operation.target: []]))
      }
      guard stored.info.shape.dimensions.allSatisfy({ Int32(exactly: $0) != nil }) else {
        throw .notMergeable("\(operation.target) has a dimension over 2^31 - 1")
      }
      guard stored.info.type.isFloat else {
        throw .type(operation.target, stored.info.type)
      }
      guard let (layout, source) = try resolution.layout(of: operation, stored: stored) else {
        undecided.append(operation.target)
        continue
      }
      if operation.layout != .unresolved, operation.layout != layout {
        notes.append(
          "\(operation.target): stored as \(layout.rawValue), recorded as "
            + "\(operation.layout.rawValue) by \(operation.layoutSource?.rawValue ?? "its writer")")
      }
      if operation.layout != layout || operation.layoutSource == nil {
        operation.layoutSource = source
      }
      operation.layout = layout
      operation.shape = stored.info.shape
      operation.bound = [stored.info.name]
      changes.append((operation, stored))
    }
    guard undecided.isEmpty else { throw .undecidedLayout(undecided) }
    var adapter = adapter
    adapter.operations = changes.map { .addLowRank($0.0) }
    self.adapter = adapter
    self.changes = changes
    self.notes = notes
    rule = binding.rule
  }

  /// The operations that change weights; anything else cannot be merged.
  private static func lowRank(_ adapter: Adapter) throws(RuntimeError) -> [AddLowRank] {
    var operations: [AddLowRank] = []
    for operation in adapter.operations {
      switch operation {
      case .addLowRank(let low): operations.append(low)
      case .unsupported(let record, let reason):
        let runtimeOnly = ["prepend_embeddings", "prepend_kv"].contains(record.op)
        throw .notMergeable(
          runtimeOnly ? "\(record.op) acts at run time only" : "\(reason) is not supported")
      @unknown default: throw .notMergeable(operation.name)
      }
    }
    return operations
  }

  private static func bind(
    _ operations: [AddLowRank], _ checkpoint: Checkpoint
  ) throws(RuntimeError) -> NameBinding {
    let byTarget = Dictionary(
      operations.map { ($0.target, $0) }, uniquingKeysWith: { first, _ in first })
    let targets = byTarget.keys.sorted()
    // A target that is there under its own name has been found: if its shape is another, the base
    // is the wrong one, and no other name can mend that.
    for target in targets {
      guard let stored = checkpoint.tensor(target), let operation = byTarget[target],
        !fits(operation, stored)
      else { continue }
      throw .shape(
        target, expected: operation.targetShape(operation.layout), found: stored.info.shape)
    }
    do throws(NameBinding.Failure) {
      return try NameBinding(
        targets, hints: byTarget.compactMapValues(Self.hint), in: checkpoint
      ) { target, name in
        guard let operation = byTarget[target], let stored = checkpoint.tensor(name) else {
          return false
        }
        return fits(operation, stored)
      }
    } catch {
      throw .binding(error)
    }
  }

  /// The one tensor that was recorded.
  private static func hint(_ operation: AddLowRank) -> Name? {
    operation.bound.count == 1 ? operation.bound.first : nil
  }

  private static func fits(_ operation: AddLowRank, _ stored: StoredTensor) -> Bool {
    let shape = stored.info.shape.dimensions
    return shape == operation.targetShape(.outIn) || shape == operation.targetShape(.inOut)
  }

  /// The stored tensors it changes, by the names under which the adapter recorded them: those it was
  /// bound to at conversion, or the targets themselves.
  func targets(recordedBy adapter: Adapter) -> [Name: Name] {
    var recorded: [Name: Name] = [:]
    for case .addLowRank(let operation) in adapter.operations {
      recorded[operation.target] = Self.hint(operation)
    }
    let pairs = changes.map {
      (recorded[$0.operation.target] ?? $0.tensor.info.name, $0.tensor.info.name)
    }
    return Dictionary(pairs, uniquingKeysWith: { first, _ in first })
  }

  /// The stored tensors that it changes must not be other parameters as well.
  func checkTies(in checkpoint: Checkpoint) throws(RuntimeError) {
    for (operation, tensor) in changes {
      if let partner = TiedNames.partner(of: tensor.info.name, in: checkpoint) {
        throw .tied(operation.target, with: partner)
      }
      let isTarget = operation.target == tensor.info.name
      if !isTarget, rule == .tie, checkpoint.tensor(operation.target) == nil {
        throw .tied(operation.target, with: tensor.info.name)
      }
    }
  }
}

extension BoundAdapter {
  /// The adapter with the base recorded in it: its fingerprint and its architecture.
  ///
  /// - Throws: `RuntimeError.checkpoint` where the base cannot be read.
  public func recordingBase(_ checkpoint: Checkpoint) throws(RuntimeError) -> Adapter {
    var adapter = adapter
    var base =
      adapter.base ?? BaseRecord(name: nil, revision: nil, architecture: nil, fingerprint: nil)
    base.architecture = checkpoint.config?.architecture ?? base.architecture
    base.fingerprint = try FingerprintRecord(
      of: checkpoint, targets: changes.map(\.tensor.info.name))
    adapter.base = base
    return adapter
  }
}
