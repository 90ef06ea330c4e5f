public import AdapterInsight
public import Checkpoints
internal import Operations
public import Storage
public import StrictJSON

/// A checkpoint that should be a base with adapters applied, held against that tensor by tensor, in constant
/// memory. The merge is computed again, by the same view that writes one.
public struct MergeVerification: Sendable {
  /// The tensors that are there or should be, by name.
  public let tensors: [Tensor]
  /// The receipt of what should have been applied.
  public let receipt: Receipt
  /// Up to which relative distance a change may be another one, beyond one rounding.
  public let tolerance: Double
  /// True if the base stays quantised, so that distances are in steps of codes.
  public let countsSteps: Bool
  /// The changed parameters of such a base whose steps are so wide that its own codes would pass as well.
  public let indistinct: [Name]
  /// The reasons why some quantised parameters of the checkpoint cannot be decoded, so that only bytes are compared.
  public let faults: [CheckpointError]

  /// One tensor, or a quantised parameter that the adapters change.
  public struct Tensor: Sendable {
    /// Its name.
    public let name: Name
    /// The finding about it.
    public let kind: Kind
    /// The tensor as it should be, in the base's element type; nil if it should not be there.
    public let expected: TensorInfo?
    /// The tensor as it is; nil if it is not there.
    public let found: TensorInfo?
    /// How its values differ; nil where they are the same, or cannot be compared.
    public let difference: Difference?
  }

  /// A finding about a tensor.
  public enum Kind: String, Sendable, Hashable, CaseIterable {
    /// The adapters change it, and it holds the bytes of this program's merge.
    case identical
    /// The adapters change it, and every element is within a unit in the last place of the exact value; of a quantised
    /// parameter, within a step between neighbours of the values that have a code.
    case withinOneRounding = "within_one_rounding"
    /// The adapters change it, and its change is the exact one up to the tolerance.
    case withinTolerance = "within_tolerance"
    /// No adapter changes it, and it is the base's; in another element type, its values rounded once.
    case untouched
    /// The adapters change it, and it is another.
    case differs
    /// No adapter changes it, and it is not the base's.
    case changed
    /// It has another shape.
    case otherShape = "other_shape"
    /// It has an element type to which its values cannot be rounded.
    case otherType = "other_dtype"
    /// It should be there.
    case missing
    /// It should not be there.
    case additional

    /// True if a merge may have made it.
    public var isConfirmed: Bool {
      switch self {
      case .identical, .withinOneRounding, .withinTolerance, .untouched: true
      case .differs, .changed, .otherShape, .otherType, .missing, .additional: false
      }
    }
  }

  /// How the values of a tensor differ from those that it should have.
  public struct Difference: Sendable, Hashable {
    /// Elements that are not within one rounding; where no adapter changes the tensor, that are not the same.
    public let count: Int
    /// The largest distance from the exact value, in units in the last place of the tensor's element type there, or in
    /// steps of its codes; nil where the elements are no floats.
    public let largest: Double?
    /// The exact change against the one that is there; nil where no adapter changes the tensor, or the elements are
    /// no floats.
    public let change: PartComparison?
  }

  /// True if all tensors are as a merge makes them.
  public var isConfirmed: Bool { tensors.allSatisfy(\.kind.isConfirmed) }

  /// Computes a merge again, and compares.
  ///
  /// - Parameters:
  ///   - merged: the checkpoint that should be the merge, in any shards.
  ///   - view: the base seen through the adapters.
  ///   - tolerance: up to which relative distance a change may be another one, beyond one rounding. Sums in F32
  ///     end in other last bits where they are made in another order; in narrower types rounding hides that.
  ///   - report: told how many of how many bytes have been compared; from any thread.
  /// - Throws: `AdapterError` where anything cannot be read, or a merge would be refused.
  public init(
    of merged: Checkpoint, as view: AdaptedCheckpoint, tolerance: Double = 0,
    _ report: @Sendable (_ count: Int, _ total: UInt64) -> Void = { _, _ in }
  ) throws {
    receipt = view.receipt
    self.tolerance = tolerance
    countsSteps = view.checkpoint.keepsCodes
    guard !view.checkpoint.keepsCodes else {
      let findings = try CodeVerification(of: merged, as: view, tolerance: tolerance).run(report)
      (tensors, indistinct, faults) = (findings.tensors, findings.indistinct, findings.faults)
      return
    }
    (indistinct, faults) = ([], [])
    let tasks = Set(view.names).union(merged.names).map {
      TensorVerification(
        name: $0, view: view, expected: view.info(of: $0), found: merged.tensor($0),
        tolerance: tolerance)
    }.sorted {
      // The largest first, so that no processor is left alone with one at the end.
      $0.byteCount == $1.byteCount ? $0.name < $1.name : $0.byteCount > $1.byteCount
    }
    let total = tasks.reduce(0 as UInt64) { $0 + UInt64($1.byteCount) }
    let results = try tasks.concurrentMap { task in
      // What is looked at twice counts once, and what is not looked at to its end counts as a whole.
      var rest = task.byteCount
      let tensor = try task.run { count in
        let step = min(count, rest)
        rest -= step
        report(step, total)
      }
      report(rest, total)
      return tensor
    }
    tensors = results.sorted { $0.name < $1.name }
  }
}
