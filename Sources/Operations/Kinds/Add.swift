package import AdapterFormat
public import Storage
package import StrictJSON

/// p ← p + scale · δ (Spec/adp-v1.md, section 8.3; BitFit, arXiv:2106.10199).
public struct Add: Sendable, Hashable {
  /// The parameter.
  public var target: Target
  /// δ: as many elements as the parameter, in its order.
  public var delta: TypedOperand
  /// The factor of δ.
  public var scale: Double
  /// SHA-256 of the parameter's bytes after the change of the base it was extracted from.
  public var result: Digest?

  /// Makes a change.
  public init(target: Target, delta: TypedOperand, scale: Double, result: Digest? = nil) {
    self.target = target
    self.delta = delta
    self.scale = scale
    self.result = result
  }
}

extension Add: TargetedKind {
  package static let op = "add"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (["delta"], ["scale", "result"])

  package var extent: Extent { .elements(delta.count) }

  package init(_ fields: OperationFields) throws(FormatError) {
    target = try fields.target()
    delta = try fields.operand("delta")
    scale = try fields.number("scale")
    result = try fields.optionalDigest("result")
  }

  /// [ADD-1].
  package func fault() -> String? {
    delta.type.isFloat ? nil : "delta is \(delta.type.rawValue), not a float"
  }

  package var operands: [(role: Name, operand: Operand?)] { [("delta", delta.operand)] }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("scale", .number(scale)), ("result", result.map { .string($0.description) })]
  }

  package var summary: OperationSummary { OperationSummary(scale: scale) }

  package var laws: Laws {
    var laws = Laws(.adds)
    laws.stacks = .any
    laws.absence = .makeBias(delta.count)
    laws.neutral = .init(operand: delta, value: .zero, scale: scale)
    laws.result = result
    return laws
  }

  package var cost: Cost { .loop() }

  package var measurable: Measurable { .elements(delta, scale: scale) }

  package var lowRank: (any LowRankKind)? { nil }

  package var layerKind: (any LayerKind)? { nil }

  package func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] {
    [.adds(AddChange<Scalar>(delta: try operands.run(delta), scale: scale))]
  }
}

/// p ← p + scale · δ.
private struct AddChange<Scalar: ComputeScalar>: TileAddition {
  let delta: OperandRun
  let scale: Double

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func add(to tile: inout Tile<Scalar>, times factor: Double) throws {
    let start = tile.rows.lowerBound * tile.columns
    try delta.widen(start..<start + tile.count, into: &tile.product)
    let scale = Scalar(factor * scale)
    for index in 0..<tile.count { tile.values[index] += scale * tile.product[index] }
  }
}
