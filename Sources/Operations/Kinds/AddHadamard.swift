package import AdapterFormat
package import Storage
package import StrictJSON

/// W ← W + scale · (w1_a · w1_b) ⊙ (w2_a · w2_b) (Spec/operations/AddHadamard.md; LoHa,
/// arXiv:2108.06098).
public struct AddHadamard: Sendable, Hashable {
  /// The weight.
  public var target: Target
  /// w1_a and w1_b, and t1.
  public var first: FactorPair
  /// w2_a and w2_b, and t2.
  public var second: FactorPair
  /// The factor of the product.
  public var scale: Double

  /// Makes a change.
  public init(target: Target, first: FactorPair, second: FactorPair, scale: Double) {
    self.target = target
    self.first = first
    self.second = second
    self.scale = scale
  }
}

extension AddHadamard: TargetedKind {
  package static let op = "add_hadamard"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (
    ["w1_a", "w1_b", "t1", "w2_a", "w2_b", "t2"], ["scale"]
  )

  package var extent: Extent { first.extent }

  package init(_ fields: OperationFields) throws(FormatError) {
    target = try fields.target()
    first = FactorPair(
      a: try fields.operand("w1_a"), b: try fields.operand("w1_b"),
      core: try fields.optionalOperand("t1"))
    second = FactorPair(
      a: try fields.operand("w2_a"), b: try fields.operand("w2_b"),
      core: try fields.optionalOperand("t2"))
    scale = try fields.number("scale")
  }

  /// [HAD-1].
  package func fault() -> String? {
    if let fault = first.fault() ?? second.fault() { return fault }
    return first.shape == second.shape ? nil : "the products are \(first.shape) and \(second.shape)"
  }

  package var operands: [(role: Name, operand: Operand?)] {
    [
      ("w1_a", first.a.operand),
      ("w1_b", first.b.operand),
      ("t1", first.core?.operand),
      ("w2_a", second.a.operand),
      ("w2_b", second.b.operand),
      ("t2", second.core?.operand),
    ]
  }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("scale", .number(scale))]
  }

  package var summary: OperationSummary {
    OperationSummary(rank: first.rank, scale: scale, traits: first.core == nil ? [] : ["cores"])
  }

  package var laws: Laws { Laws(.adds) }

  package var cost: Cost { Cost(perElement: Double(first.rank + second.rank) + 2 * Cost.loop) }

  package var measurable: Measurable { .change }

  /// Of a higher rank it is worked out element by element.
  package var lowRank: (any LowRankKind)? {
    let smallest = min(product.outputCount, product.inputCount)
    return first.rank.multipliedReportingOverflow(by: second.rank).overflow
      || product.rank > smallest / 2 ? nil : self
  }

  package var layerKind: (any LayerKind)? { nil }

  package func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] {
    [
      .adds(
        HadamardChange<Scalar>(
          first: try first.factors(&operands), second: try second.factors(&operands), scale: scale))
    ]
  }
}

extension AddHadamard: LowRankKind {
  package var product: LowRankProduct {
    LowRankProduct(
      rank: first.rank &* second.rank, outputCount: first.shape[0],
      inputCount: first.shape.dropFirst().reduce(1, *))
  }

  package func factors<Scalar: ComputeScalar>(
    _ operands: inout OperandLoader, _ shape: Shape?
  ) throws -> [LowRankFactors<Scalar>] {
    let (left, right): (LowRankFactors<Scalar>, LowRankFactors<Scalar>) = (
      try first.factors(&operands), try second.factors(&operands)
    )
    var result = try left.hadamard(right)
    result.scale = scale
    return [result]
  }
}

/// W ← W + scale · (B₁ · A₁) ⊙ (B₂ · A₂).
private struct HadamardChange<Scalar: ComputeScalar>: TileAddition {
  let first: LowRankFactors<Scalar>
  let second: LowRankFactors<Scalar>
  let scale: Double

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func add(to tile: inout Tile<Scalar>, times factor: Double) {
    tile.clearProduct()
    first.add(
      .outIn, times: factor * scale, rows: tile.rows, columns: tile.columns, to: &tile.product)
    swap(&tile.product, &tile.secondProduct)
    tile.clearProduct()
    second.add(.outIn, times: 1, rows: tile.rows, columns: tile.columns, to: &tile.product)
    for index in 0..<tile.count {
      tile.values[index] += tile.product[index] * tile.secondProduct[index]
    }
  }
}
