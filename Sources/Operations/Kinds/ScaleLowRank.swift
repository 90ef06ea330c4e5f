package import AdapterFormat
package import Storage
package import StrictJSON

/// W ← W + W° ⊙ (B · A) (Spec/operations/ScaleLowRank.md; HiRA, ICLR 2025).
public struct ScaleLowRank: Sendable, Hashable {
  /// The weight.
  public var target: Target
  /// A, [r, in] or [r, in, k, …].
  public var a: TypedOperand
  /// B, [out, r] or [out, r, 1, …].
  public var b: TypedOperand

  /// Makes a change.
  public init(target: Target, a: TypedOperand, b: TypedOperand) {
    self.target = target
    self.a = a
    self.b = b
  }
}

extension ScaleLowRank: TargetedKind {
  package static let op = "scale_low_rank"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (["a", "b"], layoutKeys)

  package var extent: Extent {
    let kernel = a.shape.count > 2 ? Array(a.shape.dropFirst()) : []
    return .matrix(output: b.shape[0], input: a.shape.dropFirst().reduce(1, *), kernel: kernel)
  }

  package init(_ fields: OperationFields) throws(FormatError) {
    target = try fields.matrixTarget()
    a = try fields.operand("a")
    b = try fields.operand("b")
  }

  /// [SCA-1].
  package func fault() -> String? {
    guard a.type.isFloat, b.type.isFloat, LowRankProduct.areFactors(a, b),
      a.shape[0] == b.shape[1], checkedProduct(Array(a.shape.dropFirst())) != nil
    else { return "A \(a.shape) and B \(b.shape) are not [r, in, …] and [out, r, 1, …] of floats" }
    return a.shape.count == 2 || target.layout != .inOut ? nil : "a kernel is stored out_in"
  }

  package var operands: [(role: Name, operand: Operand?)] {
    [("a", a.operand), ("b", b.operand)]
  }

  package var attributes: [(key: Name, value: JSONValue?)] { [] }

  package var summary: OperationSummary {
    OperationSummary(rank: a.shape[0])
  }

  package var laws: Laws { Laws(.adds) }

  package var cost: Cost { .loop(andProduct: product.rank) }

  package var measurable: Measurable { .direction(with: []) }

  package var lowRank: (any LowRankKind)? { self }

  package var layerKind: (any LayerKind)? { nil }

  package func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] {
    let layout = try target.decidedLayout()
    let all: [LowRankFactors<Scalar>] = try factors(&operands, shape)
    return all.map { .adds(ScaleLowRankChange(product: LowRankTiles($0, layout))) }
  }
}

extension ScaleLowRank: LowRankKind {
  package var product: LowRankProduct {
    var product = LowRankProduct(
      rank: a.shape[0], outputCount: b.shape[0], inputCount: a.shape.dropFirst().reduce(1, *))
    product.isChange = false
    return product
  }

  package func factors<Scalar: ComputeScalar>(
    _ operands: inout OperandLoader, _ shape: Shape?
  ) throws -> [LowRankFactors<Scalar>] {
    [
      try LowRankFactors(
        a: try operands.values(a), b: try operands.values(b), rank: product.rank,
        inputCount: product.inputCount)
    ]
  }
}

/// W ← W + W° ⊙ (B · A).
private struct ScaleLowRankChange<Scalar: ComputeScalar>: TileAddition {
  let product: LowRankTiles<Scalar>

  var needsOriginal: Bool { true }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func add(to tile: inout Tile<Scalar>, times factor: Double) {
    tile.clearProduct()
    product.add(times: factor, rows: tile.rows, columns: tile.columns, to: &tile.product)
    for index in 0..<tile.count { tile.values[index] += tile.original[index] * tile.product[index] }
  }
}
