internal import AdapterFormat
public import Operations
internal import Storage
public import StrictJSON

/// The effect of an adapter on one parameter, measured without its base.
public struct TargetEffect: Sendable {
  /// The parameter; nil for what runs beside the weights.
  public let target: Name?
  /// The operations on it, in order.
  public let operations: [Operation]
  /// Its parts, in order: operations that add up are one.
  public let measures: [Measure]
  /// The rows of a prompt or a prefix.
  public let prompt: PromptNorms?

  /// One part.
  public struct Measure: Sendable, Hashable {
    /// The quantity that was measured.
    public let space: EffectSpace
    /// Its Frobenius norm; nil where only a base shows it.
    public let norm: Double?
    /// The rank that the factors have room for; nil where there are none.
    public let rank: Int?
    /// The singular values, where they could be had; those of a stack are all of its experts'.
    public let spectrum: Spectrum?
  }

  /// ‖ΔW‖_F, where the adapter alone shows it: one part, and that a change.
  public var changeNorm: Double? {
    measures.count == 1 && measures[0].space == .weight ? measures[0].norm : nil
  }

  init(
    _ target: Name?, _ operations: [Operation], in adapter: Adapter
  ) throws {
    self.target = target
    self.operations = operations
    guard target != nil else {
      prompt = try operations.first?.kind?.laws.manner.prompt.map {
        try PromptRows($0, in: adapter).norms
      }
      measures = []
      return
    }
    prompt = nil
    do {
      measures = try EffectPart.parts(of: operations, in: adapter).map { try $0.measured() }
    } catch  where error is AdapterError || Self.isOfLaterVersion(error) {
      // Beyond what is worked out here: it is listed, without a number.
      measures = [.init(space: .operands, norm: nil, rank: nil, spectrum: nil)]
    }
  }

  private static func isOfLaterVersion(_ error: any Error) -> Bool {
    if case FormatError.unsupported = error { true } else { false }
  }

  /// One that is listed without a number.
  init(unmeasured target: Name?, _ operations: [Operation]) {
    self.target = target
    self.operations = operations
    prompt = nil
    measures =
      target == nil ? [] : [.init(space: .operands, norm: nil, rank: nil, spectrum: nil)]
  }
}

extension EffectPart {
  func measured() throws -> TargetEffect.Measure {
    switch form {
    case .product(let product): return measure(of: [product])
    case .change(let change):
      if let factors = change.factors { return measure(of: factors) }
      if let dense = try change.dense(), min(dense.rows, dense.columns) > 1 {
        let spectrum = dense.singularValues.map { Spectrum($0) }
        return .init(space: space, norm: dense.norm, rank: nil, spectrum: spectrum)
      }
      return .init(space: space, norm: try change.norm(), rank: nil, spectrum: nil)
    case .vectors(let vectors):
      // The numbers of an operation that needs a base are no size of its change.
      guard space != .operands, vectors.allSatisfy({ $0.operand.type.isFloat }) else {
        return .init(space: space, norm: nil, rank: nil, spectrum: nil)
      }
      var norms: [Double] = []
      for vector in vectors { norms.append(try vector.norm()) }
      return .init(space: space, norm: norms.norm, rank: nil, spectrum: nil)
    }
  }

  private func measure(of products: [FactoredMatrix]) -> TargetEffect.Measure {
    let cores = products.map(\.core)
    let values = cores.compactMap(\.singularValues)
    return .init(
      space: space, norm: cores.map(\.norm).norm, rank: products.first?.rank,
      spectrum: values.count == cores.count
        ? Spectrum(values.flatMap(\.self).sorted(by: >)) : nil)
  }
}

/// The effects of an adapter on each parameter, measured without its base, on all processors.
public struct AdapterEffects: Sendable {
  /// By target, in the order of their first operations; what runs beside the weights has one each.
  public let targets: [TargetEffect]
  /// How many of them are not measured: it would take far more memory or time than the adapter is worth.
  public let unmeasuredCount: Int

  /// Measures an adapter.
  ///
  /// - Parameters:
  ///   - adapter: the adapter.
  ///   - report: told after every target how many there are in all; from any thread.
  /// - Throws: `FormatError` where a tensor cannot be read or is damaged.
  public init(
    of adapter: Adapter, _ report: @Sendable (_ total: Int) -> Void = { _ in }
  ) throws {
    let groups = adapter.operationsByTarget
    let efforts = groups.map { Effort(measuring: $0.operations, of: adapter) }
    let areMeasured = efforts.worthwhile(inputs: adapter.storedByteCount)
    unmeasuredCount = areMeasured.count { !$0 }
    targets = try groups.indices.concurrentMap { index throws in
      defer { report(groups.count) }
      let group = groups[index]
      guard areMeasured[index] else {
        return TargetEffect(unmeasured: group.target, group.operations)
      }
      return try TargetEffect(group.target, group.operations, in: adapter)
    }
  }
}

extension Adapter {
  /// The operations by target, in the order of first appearance; each of those without one by itself.
  var operationsByTarget: [(target: Name?, operations: [Operation])] {
    var groups: [(target: Name?, operations: [Operation])] = []
    var places: [Name: Int] = [:]
    for operation in operations {
      guard let name = operation.target?.name else {
        groups.append((nil, [operation]))
        continue
      }
      let place = places[name, default: groups.count]
      if place == groups.count {
        places[name] = place
        groups.append((name, []))
      }
      groups[place].operations.append(operation)
    }
    return groups
  }
}
