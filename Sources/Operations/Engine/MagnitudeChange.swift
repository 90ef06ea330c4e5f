/// X = (m / n) ⊙ (W + scale · B · A), where n is the norm of each output's weights in
/// W° + scale · B · A; W ← X, or, weighted, W + weight · (X − W).
///
/// Stored `out_in`, an output is a row, and n is known as soon as the row is. Stored `in_out`, it is a
/// column: the norms need a pass of their own.
struct MagnitudeChange<Scalar: ComputeScalar>: TileChange {
  let factors: LowRankFactors<Scalar>
  let scale: Scalar
  let layout: Layout
  let magnitude: [Scalar]
  let weight: Scalar
  private var norms: [Double]

  init(
    factors: LowRankFactors<Scalar>, scale: Scalar, layout: Layout, magnitude: [Scalar],
    weight: Scalar
  ) {
    self.factors = factors
    self.scale = scale
    self.layout = layout
    self.magnitude = magnitude
    self.weight = weight
    norms = []
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
    let (weight, isWhole) = (weight, weight == 1)
    /// The value after the change.
    func changed(_ value: Scalar, to whole: Scalar) -> Scalar {
      isWhole ? whole : value + weight * (whole - value)
    }
    let columnFactors = zip(magnitude, norms).map { Scalar(Double($0) / $1) }
    for row in 0..<tile.rows.count {
      let start = row * tile.columns
      if layout == .inOut {
        for column in 0..<tile.columns {
          let index = start + column
          let value = tile.values[index]
          tile.values[index] = changed(
            value, to: (value + tile.product[index]) * columnFactors[column])
        }
        continue
      }
      var sum = 0.0
      for index in start..<start + tile.columns {
        let value = Double(tile.original[index] + tile.product[index])
        sum += value * value
      }
      let factor = Scalar(Double(magnitude[tile.rows.lowerBound + row]) / sum.squareRoot())
      for index in start..<start + tile.columns {
        let value = tile.values[index]
        tile.values[index] = changed(value, to: (value + tile.product[index]) * factor)
      }
    }
  }

  private func makeProduct(_ tile: inout Tile<Scalar>) {
    tile.clearProduct()
    factors.add(
      layout, scale: scale, rows: tile.rows, columns: tile.columns, to: &tile.product)
  }
}
