internal import AdapterFormat
public import Operations
internal import Checkpoints
internal import Storage
internal import StrictJSON

/// An adapter of a stack, and how much of its change is made.
public struct WeightedAdapter: Sendable {
  /// The adapter.
  public var adapter: Adapter
  /// Its weight: 0 leaves it out, 1 is the adapter as it was trained.
  public var weight: Double
  /// How messages and receipts call it.
  public var label: String

  /// Weights an adapter.
  ///
  /// - Parameters:
  ///   - adapter: the adapter.
  ///   - weight: its weight, a finite number.
  ///   - label: how messages and receipts call it; nil for its name.
  public init(_ adapter: Adapter, weight: Double = 1, label: String? = nil) {
    self.adapter = adapter
    self.weight = weight
    self.label = label ?? adapter.name.text
  }
}

/// An adapter of a stack as it stands to the base.
public struct AppliedAdapter: Sendable {
  /// How messages and receipts call it.
  public let label: String
  /// Its weight.
  public let weight: Double
  /// The adapter, bound to the base.
  public let bound: BoundAdapter
  /// The verdict of the base's samples.
  public let verdict: BaseVerdict

  /// Binds an adapter to a base, and holds the base against its fingerprint. One of weight 0 is left out ([STK-1]).
  ///
  /// - Parameters:
  ///   - weighted: the adapter.
  ///   - checkpoint: the base.
  ///   - choices: what the user decides.
  ///   - sizes: what adapters before it have sized anew; it adds its own.
  /// - Throws: `AdapterError` where it cannot be applied to this base, whatever it holds, or with this weight.
  init(
    _ weighted: WeightedAdapter, to checkpoint: Checkpoint, _ choices: BindingChoices,
    _ sizes: inout StackSizes
  ) throws {
    let adapter = weighted.adapter
    guard weighted.weight.isFinite else { throw FactorFault.notFinite.error(weighted.weight) }
    (label, weight) = (weighted.label, weighted.weight)
    guard weight != 0 else {
      (bound, verdict) = (BoundAdapter(leavingOut: adapter), .leftOut)
      return
    }
    for operation in adapter.operations {
      guard let prompt = operation.kind?.laws.manner.prompt else { continue }
      throw AdapterError.actsAtRunTime(prompt)
    }
    let fingerprint = adapter.base?.fingerprint
    let bound: BoundAdapter
    do {
      bound = try BoundAdapter(adapter, to: checkpoint, choices: choices, sizes: sizes)
    } catch let error as AdapterError {
      throw try fingerprint?.padding(behind: error, of: adapter, in: checkpoint) ?? error
    }
    self.bound = bound
    sizes.add(bound)
    verdict = try fingerprint?.verdict(on: checkpoint, of: adapter, bound) ?? .unknown
  }

  /// Why a merge does not go on; nil where it does.
  func refusal(_ policy: AdaptedCheckpoint.Policy) -> AdapterError? {
    let isAccepted =
      switch verdict {
      case .unknown, .near: policy.missingFingerprint == .allow
      default: verdict.isAccepted(by: policy.otherBase)
      }
    return isAccepted ? nil : AdapterError.otherBase(verdict)
  }
}
