package import AdapterFormat
package import Storage
package import StrictJSON

/// W ← W + scale · w1 ⊗ w2 (Spec/operations/AddKronecker.md; LoKr, LyCORIS, arXiv:2309.14859).
public struct AddKronecker: Sendable, Hashable {
  /// The weight.
  public var target: Target
  /// w1: a matrix, or the product w1_a · w1_b.
  public var left: Factor
  /// w2: a matrix or kernel, or a product, with or without a core t2.
  public var right: Factor
  /// The factor of the product.
  public var scale: Double

  /// Makes a change.
  public init(target: Target, left: Factor, right: Factor, scale: Double) {
    self.target = target
    self.left = left
    self.right = right
    self.scale = scale
  }
}

extension AddKronecker: TargetedKind {
  package static let op = "add_kronecker"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (
    ["w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2"], ["scale"]
  )

  package var extent: Extent {
    let kernel = right.shape.dropFirst(2)
    guard left.shape.count == 2, right.shape.count >= 2 else { return .matrix(output: 0, input: 0) }
    return .matrix(
      output: left.shape[0] * right.shape[0], input: left.columns * right.columns,
      kernel: kernel.isEmpty ? [] : [left.columns * right.shape[1]] + kernel)
  }

  package init(_ fields: OperationFields) throws(FormatError) {
    target = try fields.target()
    left = try Factor(fields, "w1", "w1_a", "w1_b", core: nil)
    right = try Factor(fields, "w2", "w2_a", "w2_b", core: "t2")
    scale = try fields.number("scale")
  }

  /// [KRO-1].
  package func fault() -> String? {
    if let fault = left.fault() ?? right.fault() { return fault }
    guard left.shape.count == 2, right.shape.count != 3 else {
      return "w1 \(left.shape) and w2 \(right.shape) are not [a, c] and [b, d] or [b, d, k, k]"
    }
    let isSmall =
      checkedProduct([left.shape[0], right.shape[0]]) != nil
      && checkedProduct(Array(left.shape.dropFirst() + right.shape.dropFirst())) != nil
    return isSmall ? nil : "too large"
  }

  package var operands: [(role: Name, operand: Operand?)] {
    [
      ("w1", left.whole?.operand),
      ("w1_a", left.pair?.a.operand),
      ("w1_b", left.pair?.b.operand),
      ("w2", right.whole?.operand),
      ("w2_a", right.pair?.a.operand),
      ("w2_b", right.pair?.b.operand),
      ("t2", right.pair?.core?.operand),
    ]
  }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("scale", .number(scale))]
  }

  package var summary: OperationSummary {
    OperationSummary(rank: right.pair?.rank ?? left.pair?.rank, scale: scale)
  }

  package var laws: Laws { Laws(.adds) }

  package var cost: Cost {
    Cost(perElement: Double((left.pair?.rank ?? 0) + (right.pair?.rank ?? 0)) + 2 * Cost.loop)
  }

  package var measurable: Measurable { .change }

  package var lowRank: (any LowRankKind)? { nil }

  package var layerKind: (any LayerKind)? { nil }

  package func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] {
    let first: [Scalar] = try left.dense(&operands)
    let second: [Scalar] = try right.dense(&operands)
    let scale = Scalar(scale)
    return [
      .adds(
        KroneckerChange(
          left: first.map { $0 * scale }, leftColumns: left.columns, right: second,
          rightRows: right.shape[0], rightColumns: right.columns))
    ]
  }
}

/// W ← W + w1 ⊗ w2; w1 [a, c], w2 [b, d].
private struct KroneckerChange<Scalar: ComputeScalar>: TileAddition {
  let left: [Scalar]
  let leftColumns: Int
  let right: [Scalar]
  let rightRows: Int
  let rightColumns: Int

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func add(to tile: inout Tile<Scalar>, times factor: Double) {
    let share = Scalar(factor)
    for (index, row) in tile.rows.enumerated() {
      let (upper, lower) = (row / rightRows * leftColumns, row % rightRows * rightColumns)
      for block in 0..<leftColumns {
        let factor = share * left[upper + block]
        let start = index * tile.columns + block * rightColumns
        for column in 0..<rightColumns {
          tile.values[start + column] += factor * right[lower + column]
        }
      }
    }
  }
}
