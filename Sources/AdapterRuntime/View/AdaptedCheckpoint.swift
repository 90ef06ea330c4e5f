internal import AdapterFormat
internal import AdapterInsight
public import Checkpoints
public import Operations
public import Storage
public import StrictJSON

/// A checkpoint seen through a stack of adapters: the tensors that they change are computed on demand,
/// tile by tile; all others are the base's own.
///
/// Everything that applies adapters goes through this view: loading reads it, a merge writes it to
/// disk.
public struct AdaptedCheckpoint: Sendable {
  /// The base.
  public let checkpoint: Checkpoint
  /// The adapters in the order in which they are applied, bound to the base.
  public let adapters: [AppliedAdapter]
  /// The tensors that they change or make, by name.
  public private(set) var tensors: [AdaptedTensor]
  /// The element type that all float tensors have in this view; nil for the base's.
  public let resultType: ElementType?
  private let policy: Policy
  /// Those tensors, and what is only written in another element type.
  private var changes: [Name: AdaptedTensor]

  /// The exceptions to what is normally refused.
  public struct Policy: Sendable {
    /// Values that are not finite, in the adapter or in the result.
    public enum NonFiniteValues: Sendable {
      /// They end the work with an error.
      case refuse
      /// They are written.
      case allow
    }

    /// A base whose samples differ from those of the adapter's in tensors that it does not change.
    public enum OtherBase: Sendable {
      /// It ends the work with an error.
      case refuse
      /// It is used where it differs in what the adapter leaves alone, or has no sample of what that changes.
      case allow
      /// It is used though it differs in what the adapter changes.
      case allowTargets
    }

    /// An adapter that records no samples of its base.
    public enum MissingFingerprint: Sendable {
      /// It ends the work with an error.
      case refuse
      /// The base is trusted by its names and shapes.
      case allow
    }

    /// The treatment of values that are not finite.
    public var nonFiniteValues: NonFiniteValues
    /// The treatment of another base.
    public var otherBase: OtherBase
    /// The treatment of an adapter that does not record which base is meant.
    public var missingFingerprint: MissingFingerprint
    /// The user's decisions where a base leaves a question open.
    public var choices: BindingChoices

    /// Refuses everything doubtful, but for what is given.
    public init(
      nonFiniteValues: NonFiniteValues = .refuse, otherBase: OtherBase = .refuse,
      missingFingerprint: MissingFingerprint = .allow, choices: BindingChoices = BindingChoices()
    ) {
      self.nonFiniteValues = nonFiniteValues
      self.otherBase = otherBase
      self.missingFingerprint = missingFingerprint
      self.choices = choices
    }
  }

  /// Applies a stack of adapters to a base, from left to right: binds the targets of each, holds the base
  /// against the fingerprint of each, and refuses what would undo what came before.
  ///
  /// - Parameters:
  ///   - checkpoint: the base.
  ///   - stack: the adapters; one may stand there several times.
  ///   - type: the element type that all float tensors are to have, F16, BF16, F32 or F64; nil for the base's.
  ///   - policy: what is accepted that is normally refused.
  /// - Throws: `AdapterError` where an adapter cannot be applied, not to this base, or not after another;
  ///   of several adapters it says which.
  public init(
    _ checkpoint: Checkpoint, applying stack: [WeightedAdapter], as type: ElementType? = nil,
    policy: Policy = Policy()
  ) throws {
    try policy.choices.checkNames(stack.map(\.adapter))
    var sizes = StackSizes()
    let adapters = try stack.map { weighted in
      do {
        let applied = try AppliedAdapter(weighted, to: checkpoint, policy.choices, &sizes)
        if let refusal = applied.refusal(policy) { throw refusal }
        return applied
      } catch {
        throw stack.count > 1 ? AdapterError(of: weighted.label, error) : error
      }
    }
    try self.init(checkpoint, applying: adapters, as: type, policy: policy)
  }

  /// Applies adapters that are bound to the base and accepted.
  init(
    _ checkpoint: Checkpoint, applying adapters: [AppliedAdapter], as type: ElementType? = nil,
    policy: Policy
  ) throws {
    let tensors = try StackCombination(adapters).tensors
    let decoded = Set(checkpoint.decoded.map(\.info.name))
    // Codes are made of the exact sum.
    let decodedType =
      decoded.isEmpty ? nil : checkpoint.keepsCodes ? .f32 : type ?? checkpoint.dequantisedType
    self.tensors = tensors.map { tensor in
      guard tensor.info.type.isFloat,
        let type = decoded.contains(tensor.info.name) ? decodedType : type
      else { return tensor }
      return tensor.stored(as: type)
    }
    resultType = checkpoint.keepsCodes ? nil : type ?? decodedType
    var changes = type.map { Self.converted(checkpoint, to: $0, but: tensors) } ?? [:]
    if let decodedType, !checkpoint.keepsCodes {
      let changed = Set(tensors.map(\.info.name))
      for parameter in checkpoint.decoded where !changed.contains(parameter.info.name) {
        changes[parameter.info.name] = checkpoint.tensor(parameter.info.name).map {
          AdaptedTensor(decoded: $0).stored(as: decodedType)
        }
      }
    }
    for tensor in self.tensors where changes.updateValue(tensor, forKey: tensor.info.name) != nil {
      throw AdapterError.notMergeable(
        "\(tensor.info.name) would be made twice", at: tensor.info.name)
    }
    self.checkpoint = checkpoint
    self.adapters = adapters
    self.policy = policy
    self.changes = changes
    try checkEffort()
    if checkpoint.keepsCodes { try RequantisedCodes.check(self) }
  }

  /// The tensors of another float type that no adapter changes.
  private static func converted(
    _ checkpoint: Checkpoint, to type: ElementType, but changed: [AdaptedTensor]
  ) -> [Name: AdaptedTensor] {
    let changed = Set(changed.map(\.info.name))
    let others = checkpoint.tensors.filter {
      $0.info.type.isFloat && $0.info.type != type && !changed.contains($0.info.name)
    }
    return Dictionary(
      uniqueKeysWithValues: others.map { stored in
        let tensor = AdaptedTensor(
          info: stored.info, origin: stored, kind: .converted, operations: [])
        return (stored.info.name, tensor.stored(as: type))
      })
  }

  /// Refuses what takes far more memory or work than base and adapters are worth.
  private func checkEffort() throws {
    var work = 0.0
    for tensor in tensors {
      let count = tensor.info.shape.count
      do {
        work += try tensor.operations.checkedWork(elements: count, of: tensor.info.name.text)
      } catch {
        throw named(error, tensor.operations.first)
      }
    }
    let inputs = adapters.reduce(checkpoint.byteCount) { $0 + $1.bound.adapter.storedByteCount }
    guard work <= Effort.limit(inputs: inputs) else {
      throw FormatError.excess("the changes of all \(tensors.count) tensors")
    }
  }

  /// Applies one adapter to a base, as it was trained.
  ///
  /// - Parameters:
  ///   - checkpoint: the base.
  ///   - adapter: the adapter.
  ///   - policy: what is accepted that is normally refused.
  /// - Throws: `AdapterError` where the adapter cannot be applied, or not to this base.
  public init(
    _ checkpoint: Checkpoint, applying adapter: Adapter, policy: Policy = Policy()
  ) throws {
    try self.init(checkpoint, applying: [WeightedAdapter(adapter)], policy: policy)
  }

  /// The base with some of the changes only.
  ///
  /// - Parameter isKept: whether a tensor, by its name, is changed.
  /// - Returns: the view; what is not kept is the base's own.
  package func keeping(_ isKept: (Name) -> Bool) -> AdaptedCheckpoint {
    var result = self
    result.tensors = tensors.filter { isKept($0.info.name) }
    result.changes = changes.filter { isKept($0.key) }
    return result
  }

  /// The verdict of the base's samples; of several adapters, the one that speaks most against the base.
  public var verdict: BaseVerdict {
    adapters.map(\.verdict).max { $0.doubt < $1.doubt } ?? .exact
  }

  /// The tensors that the adapters change or make, by name.
  public var changedNames: [Name] { tensors.map(\.info.name) }

  /// All tensors, the base's and those that are made, by name.
  public var names: [Name] { Set(checkpoint.names).union(changes.keys).sorted() }

  /// A tensor's element type and shape; nil where there is none of this name.
  public func info(of name: Name) -> TensorInfo? {
    changes[name]?.info ?? checkpoint.tensor(name)?.info
  }

  /// A tensor to be read piece by piece; nil where there is none of this name. The operands of its
  /// changes are in memory as long as the reader is.
  ///
  /// - Throws: `AdapterError` where the base or an adapter cannot be read.
  public func reader(of name: Name) throws -> TensorReader? {
    if let adapted = changes[name] {
      return TensorReader(adapted.info, try rows(of: adapted))
    }
    return checkpoint.tensor(name).map { TensorReader($0) }
  }

  /// A tensor's bytes with the adapters applied, in the base's element type; nil where there is none of
  /// this name.
  ///
  /// - Throws: `AdapterError` where the base or an adapter cannot be read.
  public func contents(of name: Name) throws -> [UInt8]? {
    guard let reader = try reader(of: name) else { return nil }
    return try reader.contents(of: 0..<reader.rowCount)
  }

  /// Returns a tensor as it is changed; nil if it is left alone.
  func adapted(_ name: Name) -> AdaptedTensor? { changes[name] }

  /// The rows of a tensor that is changed, its operands loaded.
  func rows(of adapted: AdaptedTensor) throws -> AdaptedRows {
    try AdaptedRows(adapted, program(of: adapted), nonFiniteValues: policy.nonFiniteValues)
  }

  /// The program of a tensor, whose operands have to be there and, unless the policy says otherwise, finite.
  func program(of adapted: AdaptedTensor) throws -> TensorProgram {
    let program: TensorProgram
    do {
      program = try TensorProgram(
        adapted.operations, type: adapted.info.type, storedType: adapted.storedType,
        shape: adapted.info.shape)
    } catch let failure as TensorProgram.Failure {
      throw named(failure.error, adapted.operations[failure.operation])
    }
    if policy.nonFiniteValues == .refuse, let (operation, name) = program.nonfiniteOperands.first {
      throw named(AdapterError.nonfinite(name), adapted.operations[operation])
    }
    return program
  }

  /// An error of an operation, with the label of its adapter where there are several.
  private func named(_ error: any Error, _ operation: BoundOperation?) -> any Error {
    guard adapters.count > 1, let operation else { return error }
    return AdapterError(of: adapters[operation.owner].label, error)
  }
}
