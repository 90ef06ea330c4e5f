internal import AdapterFormat
public import Operations
internal import Storage
internal import StrictJSON

/// How two adapters differ: in their bytes, in what they say, and in what they do.
public struct AdapterDifference: Sendable {
  /// True if all tensors are the same: names, element types, shapes and bytes.
  public let hasSameTensors: Bool
  /// True if the operations are the same, but for what a base has decided since.
  public let hasSameOperations: Bool
  /// The fields that differ.
  public let fields: [FieldDifference]
  /// The comparison of their effects; nil where tensors and operations are the same.
  public let effects: EffectComparison?

  /// How much two adapters have in common.
  public enum Verdict: String, Sendable, Hashable, CaseIterable {
    /// Everything.
    case same
    /// Tensors and operations; other things are said of them.
    case sameWeights = "same_weights"
    /// Their effects, up to a tolerance; their tensors or operations differ.
    case sameEffect = "same_effect"
    /// All that can be compared without a base; the rest only a base shows.
    case undecided
    /// Less.
    case differs
  }

  /// Compares two adapters.
  ///
  /// - Parameters:
  ///   - left: one.
  ///   - right: the other.
  ///   - detail: how much is worked out of their effects.
  ///   - report: told after every target how many there are in all; from any thread.
  /// - Throws: `FormatError` where a tensor cannot be read or is damaged.
  public init(
    _ left: Adapter, _ right: Adapter, _ detail: EffectComparison.Detail = .distances,
    _ report: @Sendable (_ total: Int) -> Void = { _ in }
  ) throws {
    fields = FieldDifference.all(left, right)
    hasSameTensors = try left.holdsSameTensors(as: right)
    let (mine, theirs) = (left.meanings, right.meanings)
    // A base may have decided a layout for one of them; it may not have decided differently.
    hasSameOperations =
      mine.map(\.record) == theirs.map(\.record)
      && zip(mine, theirs).allSatisfy { pair in
        pair.0.layout == nil || pair.1.layout == nil || pair.0.layout == pair.1.layout
      }
    effects =
      hasSameTensors && hasSameOperations ? nil : try EffectComparison(left, right, detail, report)
  }

  /// The verdict without a base.
  ///
  /// - Parameter tolerance: up to which relative distance two changes are the same.
  /// - Returns: how much they have in common.
  public func verdict(tolerance: Double) -> Verdict {
    guard let effects else { return fields.isEmpty ? .same : .sameWeights }
    if effects.isEqual(tolerance: tolerance) { return .sameEffect }
    let isOpen = effects.targets.allSatisfy { target in
      target.isEqual(tolerance: tolerance) || (target.relation == .otherKind && target.name != nil)
    }
    return isOpen ? .undecided : .differs
  }
}

extension Adapter {
  fileprivate func holdsSameTensors(as other: Adapter) throws -> Bool {
    let mine = tensors.sorted { $0.name < $1.name }
    guard mine == other.tensors.sorted(by: { $0.name < $1.name }) else { return false }
    if let left = file, let right = other.file {
      return left.file.manifest.adapters[left.index].weightsDigest
        == right.file.manifest.adapters[right.index].weightsDigest
    }
    return try mine.concurrentMap { info throws in
      try self.contents(of: info.name) == (try other.contents(of: info.name))
    }.allSatisfy(\.self)
  }

  /// Its operations without what a base decides, in an order that does not depend on the file's: only
  /// that of the operations on one parameter means anything.
  fileprivate var meanings: [(record: OperationRecord, layout: Layout?)] {
    operationsByTarget.sorted { left, right in
      guard let left = left.target else { return right.target != nil }
      return right.target.map { left < $0 } ?? false
    }.flatMap { group in
      group.operations.map { operation in
        guard let target = operation.target else { return (operation.record, nil) }
        return (operation.with(Target(target.name)).record, operation.decidedLayout)
      }
    }
  }
}
