package import AdapterFormat
package import Storage
package import StrictJSON

/// W ← W + k × k blocks of low rank (Spec/operations/AddGroupedLowRank.md; GraLoRA, arXiv:2505.20355).
public struct AddGroupedLowRank: Sendable, Hashable {
  /// The weight.
  public var target: Target
  /// A, [k, in / k, r].
  public var a: TypedOperand
  /// B, [k, r, out / k].
  public var b: TypedOperand
  /// The factor of the product.
  public var scale: Double

  /// Makes a change.
  public init(target: Target, a: TypedOperand, b: TypedOperand, scale: Double) {
    self.target = target
    self.a = a
    self.b = b
    self.scale = scale
  }
}

extension AddGroupedLowRank: TargetedKind {
  package static let op = "add_grouped_low_rank"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (
    ["a", "b"], ["scale"] + layoutKeys
  )

  package var extent: Extent {
    .matrix(output: b.shape[0] * b.shape[2], input: a.shape[0] * a.shape[1])
  }

  package init(_ fields: OperationFields) throws(FormatError) {
    target = try fields.matrixTarget()
    a = try fields.operand("a")
    b = try fields.operand("b")
    scale = try fields.number("scale")
  }

  /// [GRO-1].
  package func fault() -> String? {
    guard a.type.isFloat, b.type.isFloat, a.shape.count == 3, b.shape.count == 3,
      a.shape[0] == b.shape[0], a.shape[2] == b.shape[1], a.shape[0] > 0,
      a.shape[2].isMultiple(of: a.shape[0]),
      !a.shape[0].multipliedReportingOverflow(by: a.shape[1]).overflow,
      !b.shape[0].multipliedReportingOverflow(by: b.shape[2]).overflow
    else {
      return
        "A \(a.shape) and B \(b.shape) are not [k, in / k, r] and [k, r, out / k] with r in k parts"
    }
    return nil
  }

  package var operands: [(role: Name, operand: Operand?)] {
    [("a", a.operand), ("b", b.operand)]
  }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("scale", .number(scale))]
  }

  package var summary: OperationSummary {
    OperationSummary(rank: a.shape[2], scale: scale, traits: ["\(a.shape[0]) groups"])
  }

  package var laws: Laws { Laws(.adds) }

  package var cost: Cost { .loop(andProduct: product.rank) }

  package var measurable: Measurable { .change }

  package var lowRank: (any LowRankKind)? { self }

  package var layerKind: (any LayerKind)? { nil }

  package func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] {
    let layout = try target.decidedLayout()
    let all: [LowRankFactors<Scalar>] = try factors(&operands, shape)
    return all.map { .adds(LowRankChange(factors: $0, layout: layout)) }
  }
}

extension AddGroupedLowRank: LowRankKind {
  package var product: LowRankProduct {
    LowRankProduct(
      rank: a.shape[0] * a.shape[2], outputCount: b.shape[0] * b.shape[2],
      inputCount: a.shape[0] * a.shape[1])
  }

  /// Block (j, n) is (A[n][:, j · q …] · B[j][n · q …, :])ᵀ with q = r / k: a product of rank k · r
  /// whose factors are zero outside of their block.
  package func factors<Scalar: ComputeScalar>(
    _ operands: inout OperandLoader, _ shape: Shape?
  ) throws -> [LowRankFactors<Scalar>] {
    let (left, right): ([Scalar], [Scalar]) = (try operands.values(a), try operands.values(b))
    let (groups, width, rank, height) = (a.shape[0], a.shape[1], a.shape[2], b.shape[2])
    let part = rank / groups
    let inner = groups * rank
    try checkFactors(
      target, rank: inner, groups * (width + height), of: groups * width * groups * height)
    var factors = try LowRankFactors<Scalar>(
      a: Array(repeating: 0, count: inner * groups * width),
      b: Array(repeating: 0, count: groups * height * inner), rank: inner,
      inputCount: groups * width, scale: scale)
    for j in 0..<groups {
      for n in 0..<groups {
        for q in 0..<part {
          let place = (j * groups + n) * part + q
          for i in 0..<width {
            factors.a[place * groups * width + n * width + i] =
              left[(n * width + i) * rank + j * part + q]
          }
          for o in 0..<height {
            factors.b[(j * height + o) * inner + place] =
              right[(j * rank + n * part + q) * height + o]
          }
        }
      }
    }
    return [factors]
  }
}
