/// W ← (m / n) ⊙ (W + scale · B · A), where n is the norm of each output's weights in W° + scale · B · A (DoRA,
/// arXiv:2402.09353).
///
/// Stored `out_in`, an output is a row, and n is known as soon as the row is. Stored `in_out`, it is a
/// column: the norms need a pass of their own.
struct MagnitudeChange<Scalar: ComputeScalar>: TileChange {
  let factors: LowRankFactors<Scalar>
  let layout: Layout
  let magnitude: [Scalar]
  private var norms: [Double] = []

  init(factors: LowRankFactors<Scalar>, layout: Layout, magnitude: [Scalar]) {
    self.factors = factors
    self.layout = layout
    self.magnitude = magnitude
  }

  var needsOriginal: Bool { layout == .outIn }
  var sumCount: Int { layout == .inOut ? magnitude.count : 0 }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func measure(_ tile: inout Tile<Scalar>, _ sums: inout [Double]) {
    makeProduct(&tile)
    for row in 0..<tile.rows.count {
      for column in 0..<tile.columns {
        let index = row * tile.columns + column
        let value = Double(tile.values[index] + tile.product[index])
        sums[column] += value * value
      }
    }
  }

  func measured(_ sums: [Double]) -> MagnitudeChange {
    var result = self
    result.norms = sums.map { $0.squareRoot() }
    return result
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func apply(to tile: inout Tile<Scalar>) {
    makeProduct(&tile)
    if layout == .inOut {
      let factors = zip(magnitude, norms).map { Scalar(Double($0) / $1) }
      for start in stride(from: 0, to: tile.count, by: max(1, tile.columns)) {
        for column in 0..<tile.columns {
          let index = start + column
          tile.values[index] = (tile.values[index] + tile.product[index]) * factors[column]
        }
      }
      return
    }
    for row in 0..<tile.rows.count {
      let places = row * tile.columns..<(row + 1) * tile.columns
      var sum = 0.0
      for index in places {
        let value = Double(tile.original[index] + tile.product[index])
        sum += value * value
      }
      let factor = Scalar(Double(magnitude[tile.rows.lowerBound + row]) / sum.squareRoot())
      for index in places {
        tile.values[index] = (tile.values[index] + tile.product[index]) * factor
      }
    }
  }

  private func makeProduct(_ tile: inout Tile<Scalar>) {
    tile.clearProduct()
    factors.add(
      layout, times: factors.scale, rows: tile.rows, columns: tile.columns, to: &tile.product)
  }
}
