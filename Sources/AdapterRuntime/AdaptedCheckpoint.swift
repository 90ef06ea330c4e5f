internal import AdapterFormat
internal import AdapterMath
public import Adapters
public import Checkpoints
package import Storage
public import StrictJSON

/// A checkpoint seen through an adapter: the tensors it changes are computed on demand, tile by
/// tile; all others are the base's own.
///
/// Everything that applies adapters goes through this view: loading reads it, a merge writes it to
/// disk.
public struct AdaptedCheckpoint: Sendable {
  /// The base.
  public let checkpoint: Checkpoint
  /// The adapter, bound to the base.
  public let adapter: BoundAdapter
  /// What the base's samples say.
  public let verdict: BaseVerdict
  private let policy: Policy
  private let changes: [Name: AdaptedTensor]

  /// What is accepted that is normally refused.
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
      /// It is used.
      case allow
    }

    /// What happens to values that are not finite.
    public var nonFiniteValues: NonFiniteValues
    /// What happens on another base.
    public var otherBase: OtherBase
    /// What the user decides where a base leaves a question open.
    public var choices: BindingChoices

    /// Refuses everything doubtful, but for what is given.
    public init(
      nonFiniteValues: NonFiniteValues = .refuse, otherBase: OtherBase = .refuse,
      choices: BindingChoices = BindingChoices()
    ) {
      self.nonFiniteValues = nonFiniteValues
      self.otherBase = otherBase
      self.choices = choices
    }
  }

  /// Applies an adapter to a base: binds its targets, and holds the base against the adapter's
  /// fingerprint.
  ///
  /// - Throws: `RuntimeError` where the adapter cannot be applied, or not to this base.
  public init(
    _ checkpoint: Checkpoint, applying adapter: Adapter, policy: Policy = Policy()
  ) throws(RuntimeError) {
    for operation in adapter.operations where operation.target == nil {
      if case .unsupported = operation { continue }
      throw .notMergeable("\(operation.name) acts at run time only")
    }
    let bound = try BoundAdapter(adapter, to: checkpoint, choices: policy.choices)
    self.checkpoint = checkpoint
    self.adapter = bound
    self.policy = policy
    var changes: [Name: AdaptedTensor] = [:]
    for tensor in bound.tensors where changes.updateValue(tensor, forKey: tensor.info.name) != nil {
      throw .notMergeable("\(tensor.info.name) would be made twice")
    }
    self.changes = changes
    verdict =
      try adapter.base?.fingerprint?.verdict(
        on: checkpoint, targets: bound.targets(recordedBy: adapter)) ?? .unknown
    guard verdict.isAccepted || (verdict.isOverridable && policy.otherBase == .allow) else {
      throw .otherBase(verdict)
    }
  }

  /// The tensors that the adapter changes or makes, by name.
  public var changedNames: [Name] { changes.keys.sorted() }

  /// A tensor's bytes with the adapter applied, in the base's element type; nil where neither the
  /// base nor the adapter has one of this name.
  ///
  /// - Throws: `RuntimeError` where the base or the adapter cannot be read.
  public func contents(of name: Name) throws(RuntimeError) -> [UInt8]? {
    guard let adapted = changes[name] else {
      guard let tensor = checkpoint.tensor(name) else { return nil }
      return try storing { () throws(StorageError) in
        try tensor.file.bytes(at: tensor.offset, count: tensor.info.byteCount)
      }
    }
    let update = try update(of: adapted)
    let scratch = TileScratch()
    var contents: [UInt8] = []
    for rows in update.tiles {
      var tile = try update.original(rows)
      try unsafe tile.withUnsafeMutableBytesThrowing { tile throws(RuntimeError) in
        try unsafe update.apply(to: tile, rows: rows, scratch)
      }
      contents += tile
    }
    return contents
  }

  /// A tensor that an adapter changes or makes; nil for one that it does not.
  package func changedInfo(of name: Name) -> TensorInfo? { changes[name]?.info }

  /// What happens to a tensor; nil where it is left alone.
  func adapted(_ name: Name) -> AdaptedTensor? { changes[name] }

  /// The change of a tensor with its operands loaded.
  func update(of adapted: AdaptedTensor) throws(RuntimeError) -> TensorUpdate {
    let adapter = adapter.adapter
    let update = try decoding { () throws(FormatError) in
      try ParameterUpdate(
        adapted.parameterChanges(adapter), type: adapted.info.type, shape: adapted.info.shape)
    }
    if policy.nonFiniteValues == .refuse, let name = update.nonfiniteOperands.first {
      throw .nonfiniteAdapter(name)
    }
    return try TensorUpdate(adapted, update, nonFiniteValues: policy.nonFiniteValues)
  }
}
