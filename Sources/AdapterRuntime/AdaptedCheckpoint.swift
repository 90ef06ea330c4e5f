internal import AdapterFormat
internal import AdapterMath
public import Adapters
public import Checkpoints
internal import Storage
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
  private let changes: [Name: [AddLowRank]]

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
    /// What the user says of square weights that nothing else decides.
    public var layout: Layout?

    /// Refuses everything doubtful, but for what is given.
    public init(
      nonFiniteValues: NonFiniteValues = .refuse, otherBase: OtherBase = .refuse,
      layout: Layout? = nil
    ) {
      self.nonFiniteValues = nonFiniteValues
      self.otherBase = otherBase
      self.layout = layout
    }
  }

  /// Applies an adapter to a base: binds its targets, and holds the base against the adapter's
  /// fingerprint.
  ///
  /// - Throws: `RuntimeError` where the adapter cannot be applied, or not to this base.
  public init(
    _ checkpoint: Checkpoint, applying adapter: Adapter, policy: Policy = Policy()
  ) throws(RuntimeError) {
    let bound = try BoundAdapter(adapter, to: checkpoint, userLayout: policy.layout)
    try bound.checkTies(in: checkpoint)
    self.checkpoint = checkpoint
    self.adapter = bound
    self.policy = policy
    changes = Dictionary(grouping: bound.changes, by: \.tensor.info.name)
      .mapValues { $0.map(\.operation) }
    verdict =
      try adapter.base?.fingerprint?.verdict(
        on: checkpoint, targets: bound.targets(recordedBy: adapter)) ?? .unknown
    guard verdict.isAccepted || (verdict.isOverridable && policy.otherBase == .allow) else {
      throw .otherBase(verdict)
    }
  }

  /// The stored tensors that the adapter changes, by name.
  public var changedNames: [Name] { changes.keys.sorted() }

  /// A tensor's bytes with the adapter applied, in the base's element type; nil where the base has
  /// none of this name.
  ///
  /// - Throws: `RuntimeError` where the base or the adapter cannot be read.
  public func contents(of name: Name) throws(RuntimeError) -> [UInt8]? {
    guard let tensor = checkpoint.tensor(name) else { return nil }
    var contents = try storing { () throws(StorageError) in
      try tensor.file.bytes(at: tensor.offset, count: tensor.info.byteCount)
    }
    guard let update = try update(of: tensor) else { return contents }
    let scratch = TileScratch()
    for rows in update.tiles {
      try unsafe contents.withUnsafeMutableBytesThrowing { contents throws(RuntimeError) in
        let bytes = update.byteRange(of: rows)
        try unsafe update.apply(
          to: UnsafeMutableRawBufferPointer(rebasing: contents[bytes]), rows: rows, scratch)
      }
    }
    return contents
  }

  /// What happens to a tensor; nil where it is left alone. The operands are loaded here.
  func update(of tensor: StoredTensor) throws(RuntimeError) -> TensorUpdate? {
    guard let operations = changes[tensor.info.name] else { return nil }
    let adapter = adapter.adapter
    let update = try decoding { () throws(FormatError) in
      try ParameterUpdate(
        operations.map { ($0, adapter) }, type: tensor.info.type, shape: tensor.info.shape)
    }
    if policy.nonFiniteValues == .refuse, let name = update.nonfiniteOperands.first {
      throw .nonfiniteAdapter(name)
    }
    return TensorUpdate(
      tensor: tensor, update: update, nonFiniteValues: policy.nonFiniteValues)
  }

  /// Whether the adapter changes a tensor.
  func changes(_ name: Name) -> Bool { changes[name] != nil }
}
