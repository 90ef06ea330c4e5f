internal import AdapterInsight
internal import Checkpoints
public import Operations
internal import Storage
public import StrictJSON

/// The effect that a merge would have, without a byte written: every changed value is worked out, and the part of the
/// change that rounding leaves is measured.
public struct MergeSurvey: Sendable {
  /// The adapters, and what they change.
  public let applied: Receipt
  /// The part of each tensor's change that rounding to the stored type leaves; not for what is replaced or made.
  public let survival: [Name: Survival]

  /// True if codes of the base would be made again.
  public let isRequantised: Bool

  /// The tensors that would come out as they are: what changes them is nothing, or too small for their type.
  public var unchanged: [Name] { survival.unchanged }
  /// The stored tensors that would change.
  public var changed: [Name] { applied.changed(but: survival) }

  /// Elements of these.
  public var changedParameters: Int { applied.changedParameters(but: survival) }

  /// Works out all changed tensors.
  ///
  /// - Parameters:
  ///   - view: what would be written.
  ///   - report: told how many of how many bytes have been worked out; from any thread.
  /// - Throws: `AdapterError` as a merge does.
  public init(
    _ view: AdaptedCheckpoint,
    _ report: @Sendable (_ count: Int, _ total: UInt64) -> Void = { _, _ in }
  ) throws {
    applied = view.receipt
    isRequantised = view.checkpoint.keepsCodes
    let codes = Set(isRequantised ? view.checkpoint.decoded.map(\.info.name) : [])
    let total = view.tensors.reduce(0 as UInt64) { $0 + UInt64($1.info.byteCount) }
    let parameters =
      isRequantised
      ? try RequantisedCodes.survival(in: view) { report($0, total) } : [:]
    let tensors = view.tensors.filter { !codes.contains($0.info.name) }
    let all = try tensors.concurrentMap { tensor in
      defer { report(tensor.info.byteCount, total) }
      return try view.reader(of: tensor.info.name)?.survival() ?? Survival()
    }
    let measured = zip(tensors, all).filter { $0.0.isMeasurable }
    survival = Dictionary(
      uniqueKeysWithValues: measured.map { ($0.info.name, $1) }
    ).merging(parameters) { $1 }
  }
}
