internal import AdapterInsight
public import Checkpoints
public import Operations
public import Storage
public import StrictJSON
public import SystemPackage

/// The record of a merge.
public struct MergeReceipt: Sendable {
  /// Where the result is.
  public let output: FilePath
  /// The adapters, and what they changed.
  public let applied: Receipt
  /// The changed tensors whose bytes the adapter had recorded when it was extracted, and which are these.
  public internal(set) var proven: [Name] = []
  /// Bytes written.
  public private(set) var byteCount: UInt64 = 0
  /// The safetensors files that were written.
  public private(set) var shards: [String] = []
  /// Those that an earlier process, or another one, had written.
  public internal(set) var resumedShards: [String] = []
  /// The part of each tensor's change that rounding to the stored type leaves, in samples.
  public private(set) var survival: [Name: Survival] = [:]
  /// How long its parts took.
  public private(set) var times = MergeTimes()
  /// Other files that were copied.
  public private(set) var copiedFiles: [String] = []
  /// Other files that were changed where the weights had made them untrue.
  public private(set) var editedFiles: [String] = []
  /// Files of the base that the result does not have.
  public private(set) var omittedFiles: [String] = []
  /// Bytes of the adapter that takes the merge back, where one was asked for.
  public internal(set) var undoByteCount: UInt64?
  /// Decisions about the files that a user should know of.
  public let notes: [String]
  /// The quantised parameters, scheme by scheme.
  public var quantised: [Quantised] {
    let changed = Set(changed)
    return decoded.map { scheme, names in
      Quantised(
        scheme: scheme, parameterCount: names.count,
        changedCount: names.count(where: changed.contains), type: decodedType)
    }.sorted { $0.scheme.rawValue < $1.scheme.rawValue }
  }
  /// Their names, by scheme, and the type that they have in the result, if it is floats.
  private let decoded: [QuantisationScheme: [Name]]
  private let decodedType: ElementType?
  /// How many tensors of these schemes the result does not have.
  public let omittedTensorCount: Int

  /// Parameters of one scheme, and what became of them.
  public struct Quantised: Sendable, Hashable {
    /// The scheme.
    public let scheme: QuantisationScheme
    /// How many parameters.
    public let parameterCount: Int
    /// How many of them an adapter changes.
    public let changedCount: Int
    /// The type that they have in the result; nil where they are quantised as before.
    public let type: ElementType?
  }

  init(output: FilePath, applied: Receipt, notes: [String], of view: AdaptedCheckpoint) {
    (self.output, self.applied, self.notes) = (output, applied, notes)
    decoded = Dictionary(grouping: view.checkpoint.decoded, by: \.scheme)
      .mapValues { $0.map(\.info.name) }
    decodedType = view.checkpoint.keepsCodes ? nil : view.resultType ?? .bf16
    omittedTensorCount = view.checkpoint.keepsCodes ? 0 : view.checkpoint.omitted.count
  }

  mutating func add(_ plan: ShardPlan, _ survival: [Name: Survival], _ times: MergeTimes) {
    shards.append(plan.name)
    byteCount += plan.byteCount
    self.survival.merge(survival) { $1 }
    self.times += times
  }

  /// True if the adapters are for codes of the base, which were made again.
  public var isRequantised: Bool {
    let targets = Set(applied.changed)
    return decodedType == nil && decoded.values.joined().contains(where: targets.contains)
  }

  mutating func add(_ survival: [Name: Survival]) { self.survival.merge(survival) { $1 } }

  mutating func add(makingCodes time: Duration) { times.makingCodes += time }

  mutating func add(_ files: MergeFiles) {
    copiedFiles = files.copied
    editedFiles = files.edited.map(\.name)
    omittedFiles = files.omitted
  }

  /// The stored tensors that were to be changed, and came out as they were: what changes them is nothing, or too small for
  /// their type. Those of shards that another process has written are not among them.
  public var unchanged: [Name] { survival.unchanged }
  /// The stored tensors that were changed.
  public var changed: [Name] { applied.changed(but: survival) }
  /// Elements of the changed tensors.
  public var changedParameters: Int { applied.changedParameters(but: survival) }
  /// Those of them that the base does not have.
  public var created: [Name] { applied.created }
  /// Those of them that have another first dimension than in the base.
  public var resized: [Name] { applied.resized }
  /// How many tensors are the base's, byte for byte.
  public var untouchedCount: Int { applied.untouchedCount + unchanged.count }
}

extension [Name: Survival] {
  /// Tensors of which no value that was looked at is another, by name: then all were looked at.
  var unchanged: [Name] {
    filter { $0.value.elementCount > 0 && $0.value.changedCount == 0 }.map(\.key).sorted()
  }
}

extension Receipt {
  /// The changed tensors without those that came out as they were.
  func changed(but survival: [Name: Survival]) -> [Name] {
    let unchanged = Set(survival.unchanged)
    return unchanged.isEmpty ? changed : changed.filter { !unchanged.contains($0) }
  }

  /// Elements of the changed tensors without those that came out as they were, all of which were looked at.
  func changedParameters(but survival: [Name: Survival]) -> Int {
    survival.unchanged.reduce(changedParameters) { $0 - (survival[$1]?.elementCount ?? 0) }
  }
}
