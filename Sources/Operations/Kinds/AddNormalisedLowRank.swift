package import AdapterFormat
package import Storage
package import StrictJSON

/// W ← W + B · D · A with factors of norm 1, its columns scaled (Spec/operations/AddNormalisedLowRank.md; DeLoRA,
/// arXiv:2503.18225).
public struct AddNormalisedLowRank: Sendable, Hashable {
  /// The weight.
  public var target: Target
  /// A, [r, in].
  public var a: TypedOperand
  /// B, [out, r].
  public var b: TypedOperand
  /// λ, one element.
  public var strength: TypedOperand
  /// The factor of each column, `in` elements.
  public var columnNorm: TypedOperand

  /// Makes a change.
  public init(
    target: Target, a: TypedOperand, b: TypedOperand, strength: TypedOperand,
    columnNorm: TypedOperand
  ) {
    self.target = target
    self.a = a
    self.b = b
    self.strength = strength
    self.columnNorm = columnNorm
  }
}

extension AddNormalisedLowRank: TargetedKind {
  package static let op = "add_normalised_low_rank"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (
    ["a", "b", "lambda", "w_norm"], []
  )

  package var extent: Extent { .matrix(output: b.shape[0], input: a.shape[1]) }

  package init(_ fields: OperationFields) throws(FormatError) {
    target = try fields.target()
    a = try fields.operand("a")
    b = try fields.operand("b")
    strength = try fields.operand("lambda")
    columnNorm = try fields.operand("w_norm")
  }

  /// [NOR-1].
  package func fault() -> String? {
    guard [a, b, strength, columnNorm].allSatisfy(\.type.isFloat), a.shape.count == 2,
      b.shape.count == 2, a.shape[0] == b.shape[1], a.shape[0] > 0, strength.count == 1,
      columnNorm.isVector, columnNorm.count == a.shape[1]
    else {
      return "A \(a.shape), B \(b.shape), lambda \(strength.shape) and w_norm \(columnNorm.shape) "
        + "do not fit each other"
    }
    return nil
  }

  package var operands: [(role: Name, operand: Operand?)] {
    [
      ("a", a.operand),
      ("b", b.operand),
      ("lambda", strength.operand),
      ("w_norm", columnNorm.operand),
    ]
  }

  package var attributes: [(key: Name, value: JSONValue?)] { [] }

  package var summary: OperationSummary {
    OperationSummary(rank: a.shape[0])
  }

  package var laws: Laws { Laws(.adds) }

  package var cost: Cost { .loop(andProduct: product.rank) }

  package var measurable: Measurable { .change }

  package var lowRank: (any LowRankKind)? { self }

  package var layerKind: (any LayerKind)? { nil }

  package func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] {
    let all: [LowRankFactors<Scalar>] = try factors(&operands, shape)
    return all.map { .adds(LowRankChange(factors: $0, layout: .outIn)) }
  }
}

extension AddNormalisedLowRank: LowRankKind {
  /// The smallest norm that is divided by.
  private static let minimumNorm = 1e-4

  package var product: LowRankProduct {
    LowRankProduct(rank: a.shape[0], outputCount: b.shape[0], inputCount: a.shape[1])
  }

  /// Row i of A is multiplied with λ / (r · ‖A_i‖ · ‖B^i‖), column j with w_norm[j].
  package func factors<Scalar: ComputeScalar>(
    _ operands: inout OperandLoader, _ shape: Shape?
  ) throws -> [LowRankFactors<Scalar>] {
    let (rank, width, height) = (a.shape[0], a.shape[1], b.shape[0])
    var factors = try LowRankFactors<Scalar>(
      a: try operands.values(a), b: try operands.values(b), rank: rank, inputCount: width)
    let strength: [Double] = try operands.values(strength)
    let columnNorm: [Scalar] = try operands.values(columnNorm)
    let scales = (0..<rank).map { row -> Scalar in
      let input = Self.norm((0..<width).map { Double(factors.a[row * width + $0]) })
      let output = Self.norm((0..<height).map { Double(factors.b[$0 * rank + row]) })
      return Scalar(strength[0] / (Double(rank) * input * output))
    }
    factors.scaleRows(by: scales)
    for index in factors.a.indices { factors.a[index] *= columnNorm[index % width] }
    return [factors]
  }

  private static func norm(_ values: [Double]) -> Double {
    max(values.reduce(0) { $0 + $1 * $1 }.squareRoot(), minimumNorm)
  }
}
