public import Operations
public import Checkpoints
internal import Storage
internal import StrictJSON

/// The outcome that a merge of a stack of adapters would have, adapter by adapter; nothing is written for it.
public struct BaseCheck: Sendable {
  /// The adapters, in order.
  public let adapters: [Entry]
  /// The receipt of what would be applied; nil if a merge would be refused.
  public let receipt: Receipt?
  /// True if a merge would leave every value as it is.
  public let changesNothing: Bool

  /// One adapter of the stack.
  public struct Entry: Sendable {
    /// The adapter.
    public let adapter: WeightedAdapter
    /// How it stands to the base; nil where its targets are not found there.
    public let applied: AppliedAdapter?
    /// Why the base is none for it; nil where it is one.
    public let refusal: AdapterError?
    /// True if none of its operations changes anything, on whatever base: it was never trained.
    public let isNeutral: Bool

    init(_ adapter: WeightedAdapter, _ applied: AppliedAdapter?, refusal: AdapterError?) throws {
      self.adapter = adapter
      self.applied = applied
      self.refusal = refusal
      isNeutral = try adapter.adapter.isNeutral()
    }
  }

  /// True if a merge would go ahead.
  public var isAccepted: Bool { receipt != nil }

  /// True if a merge would go ahead, and each adapter would change something.
  public var isAffirmed: Bool {
    isAccepted && !changesNothing
      && !adapters.contains { $0.isNeutral && $0.adapter.weight != 0 }
  }

  /// Holds a base against a stack of adapters.
  ///
  /// - Parameters:
  ///   - checkpoint: the base.
  ///   - stack: the adapters, from left to right.
  ///   - policy: what is accepted that is normally refused.
  /// - Throws: `AdapterError` where an adapter can be applied to no base, or not beside the others.
  public init(
    _ checkpoint: Checkpoint, applying stack: [WeightedAdapter],
    policy: AdaptedCheckpoint.Policy = AdaptedCheckpoint.Policy()
  ) throws {
    try policy.choices.checkNames(stack.map(\.adapter))
    var sizes = StackSizes()
    adapters = try stack.map { weighted in
      do {
        let applied = try AppliedAdapter(weighted, to: checkpoint, policy.choices, &sizes)
        return try Entry(weighted, applied, refusal: applied.refusal(policy))
      } catch let error as AdapterError where error.isOfBase {
        return try Entry(weighted, nil, refusal: error)
      } catch {
        throw stack.count > 1 ? AdapterError(of: weighted.label, error) : error
      }
    }
    guard adapters.allSatisfy({ $0.refusal == nil }) else {
      (receipt, changesNothing) = (nil, false)
      return
    }
    let applied = adapters.compactMap(\.applied)
    let view = try AdaptedCheckpoint(checkpoint, applying: applied, policy: policy)
    _ = try view.tensors.concurrentMap { _ = try view.program(of: $0) }
    receipt = view.receipt
    let isLeftOut = stack.allSatisfy { $0.weight == 0 }
    changesNothing =
      try !isLeftOut
      && view.tensors.allSatisfy { tensor in
        guard tensor.isMeasurable else { return false }
        return try view.reader(of: tensor.info.name)?.changes() == false
      }
  }
}

extension BaseCheck.Entry {
  /// The verdict of the base's samples, as `BaseVerdict.code`; nil if they were not looked at, because a target is not
  /// there or has another shape.
  public var verdictCode: String? {
    applied?.verdict.code ?? refusal.flatMap { $0.isVerdict ? $0.kind.rawValue : nil }
  }

  /// The tensors that are not as they were recorded.
  public var differing: [String] {
    applied?.verdict.names.map(\.text) ?? refusal.flatMap { $0.isVerdict ? $0.places : nil } ?? []
  }

  /// How many tensors it would change or make, alone; nil where its targets are not found.
  public var changedCount: Int? {
    applied.map { $0.bound.tensors.count }
  }

  /// How many of them the base does not have.
  public var createdCount: Int? {
    applied.map { $0.bound.tensors.count { $0.kind == .created } }
  }

  /// Decisions and doubts that a user should know of.
  public var notes: [String] {
    applied.map(\.bound.notes) ?? []
  }
}
