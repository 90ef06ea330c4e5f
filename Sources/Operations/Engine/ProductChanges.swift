package import AdapterFormat
internal import Storage

/// W ← W + scale · (B₁ · A₁) ⊙ (B₂ · A₂).
package struct HadamardChange<Scalar: ComputeScalar>: TileChange {
  package let first: LowRankFactors<Scalar>
  package let second: LowRankFactors<Scalar>
  package let scale: Scalar

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  package func apply(to tile: inout Tile<Scalar>) {
    tile.clearProduct()
    first.add(.outIn, scale: scale, rows: tile.rows, columns: tile.columns, to: &tile.product)
    swap(&tile.product, &tile.secondProduct)
    tile.clearProduct()
    second.add(.outIn, scale: 1, rows: tile.rows, columns: tile.columns, to: &tile.product)
    for index in 0..<tile.count {
      tile.values[index] += tile.product[index] * tile.secondProduct[index]
    }
  }
}

extension FactorPair {
  /// The product's factors; a core is multiplied into that of the inputs.
  package func factors<Scalar: ComputeScalar>(
    _ loader: inout OperandLoader
  ) throws(FormatError) -> LowRankFactors<Scalar> {
    let (left, right): ([Scalar], [Scalar]) = (try loader.values(a), try loader.values(b))
    guard let core else {
      return LowRankFactors(a: right, b: left, rank: rank, inputCount: b.shape[1])
    }
    // f[p, q, k] = Σᵢ a[i, p] · (Σⱼ core[i, j, k] · b[j, q])
    let (inner, outputs, inputs) = (a.shape[0], a.shape[1], b.shape[1])
    let positions = core.shape.dropFirst(2).reduce(1, *)
    let middle: [Double] = try loader.values(core)
    var product = [Double](repeating: 0, count: inner * inputs * positions)
    for i in 0..<inner {
      for j in 0..<b.shape[0] {
        for q in 0..<inputs {
          let factor = Double(right[j * inputs + q])
          for k in 0..<positions {
            product[(i * inputs + q) * positions + k] +=
              middle[(i * b.shape[0] + j) * positions + k] * factor
          }
        }
      }
    }
    let transposed = (0..<outputs * inner).map { left[$0 % inner * outputs + $0 / inner] }
    return LowRankFactors(
      a: product.map(Scalar.init), b: transposed, rank: inner, inputCount: inputs * positions)
  }
}

extension AddHadamard {
  package func load<Scalar: ComputeScalar>(
    _ loader: inout OperandLoader
  ) throws(FormatError) -> HadamardChange<Scalar> {
    HadamardChange(
      first: try first.factors(&loader), second: try second.factors(&loader),
      scale: loader.weighted(scale))
  }
}

/// W ← W + scale · w1 ⊗ w2; w1 [a, c], w2 [b, d].
package struct KroneckerChange<Scalar: ComputeScalar>: TileChange {
  package let left: [Scalar]
  package let leftColumns: Int
  package let right: [Scalar]
  package let rightRows: Int
  package let rightColumns: Int

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  package func apply(to tile: inout Tile<Scalar>) {
    for (index, row) in tile.rows.enumerated() {
      let (upper, lower) = (row / rightRows * leftColumns, row % rightRows * rightColumns)
      for block in 0..<leftColumns {
        let factor = left[upper + block]
        let start = index * tile.columns + block * rightColumns
        for column in 0..<rightColumns {
          tile.values[start + column] += factor * right[lower + column]
        }
      }
    }
  }
}

extension AddKronecker {
  package func load<Scalar: ComputeScalar>(
    _ loader: inout OperandLoader
  ) throws(FormatError) -> KroneckerChange<Scalar> {
    let first: [Scalar] = try Self.dense(left, &loader)
    let second: [Scalar] = try Self.dense(right, &loader)
    let scale: Scalar = loader.weighted(scale)
    return KroneckerChange(
      left: first.map { $0 * scale }, leftColumns: left.columns, right: second,
      rightRows: right.shape[0], rightColumns: right.columns)
  }

  private static func dense<Scalar: ComputeScalar>(
    _ factor: Factor, _ loader: inout OperandLoader
  ) throws(FormatError) -> [Scalar] {
    switch factor {
    case .whole(let operand): return try loader.values(operand)
    case .product(let pair):
      let factors: LowRankFactors<Scalar> = try pair.factors(&loader)
      let rows = pair.shape[0]
      var values = [Scalar](repeating: 0, count: rows * factors.inputCount)
      factors.add(.outIn, scale: 1, rows: 0..<rows, columns: factors.inputCount, to: &values)
      return values
    }
  }
}

/// W ← W + scale · W° ⊙ (B · A).
package struct ScaleLowRankChange<Scalar: ComputeScalar>: TileChange {
  package let factors: LowRankFactors<Scalar>
  package let scale: Scalar
  package let layout: Layout

  package var needsOriginal: Bool { true }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  package func apply(to tile: inout Tile<Scalar>) {
    tile.clearProduct()
    factors.add(layout, scale: scale, rows: tile.rows, columns: tile.columns, to: &tile.product)
    for index in 0..<tile.count { tile.values[index] += tile.original[index] * tile.product[index] }
  }
}

extension ScaleLowRank {
  package func load<Scalar: ComputeScalar>(
    _ loader: inout OperandLoader
  ) throws(FormatError) -> ScaleLowRankChange<Scalar> {
    let factors = LowRankFactors<Scalar>(
      a: try loader.values(a), b: try loader.values(b), rank: a.shape[0],
      inputCount: a.shape.dropFirst().reduce(1, *))
    return ScaleLowRankChange(
      factors: factors, scale: loader.weighted(1), layout: try weight.decidedLayout())
  }
}
