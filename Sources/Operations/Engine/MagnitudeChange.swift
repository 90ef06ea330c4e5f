/// W ← (m / n) ⊙ (W + scale · B · A), where n is the norm of each output's weights in W° + scale · B · A (DoRA,
/// arXiv:2402.09353).
///
/// Stored `out_in`, an output is a row, and n is known as soon as the row is. Stored `in_out`, it is a
/// column: the norms need a pass of their own.
struct MagnitudeChange<Scalar: ComputeScalar>: TileChange {
  private let product: LowRankTiles<Scalar>
  private let isTransposed: Bool
  private let magnitude: [Scalar]
  /// m / n of each column, where outputs are columns.
  private var columnFactors: [Scalar] = []

  init(factors: LowRankFactors<Scalar>, layout: Layout, magnitude: [Scalar]) {
    product = LowRankTiles(factors, layout)
    isTransposed = layout == .inOut
    self.magnitude = magnitude
  }

  var needsOriginal: Bool { !isTransposed }
  var sumCount: Int { isTransposed ? magnitude.count : 0 }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func measure(_ tile: inout Tile<Scalar>, _ sums: inout [Double]) {
    makeProduct(&tile)
    let (count, columns) = (tile.count, tile.columns)
    unsafe tile.values.withUnsafeBufferPointer { values in
      unsafe tile.product.withUnsafeBufferPointer { product in
        unsafe sums.withUnsafeMutableBufferPointer { sums in
          for start in stride(from: 0, to: count, by: max(1, columns)) {
            for column in 0..<columns {
              let value = unsafe Double(values[start &+ column] + product[start &+ column])
              unsafe sums[column] += value * value
            }
          }
        }
      }
    }
  }

  func measured(_ sums: [Double]) -> MagnitudeChange {
    var result = self
    result.columnFactors = zip(magnitude, sums).map { Scalar(Double($0) / $1.squareRoot()) }
    return result
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func apply(to tile: inout Tile<Scalar>) {
    makeProduct(&tile)
    let (rows, columns) = (tile.rows, tile.columns)
    unsafe tile.original.withUnsafeBufferPointer { original in
      unsafe tile.product.withUnsafeBufferPointer { product in
        unsafe tile.values.withUnsafeMutableBufferPointer { values in
          for index in 0..<rows.count {
            let places = index * columns..<(index + 1) * columns
            if isTransposed {
              unsafe scaleColumns(of: values, product, places)
            } else {
              let norm = unsafe sumOfSquares(original, product, places).squareRoot()
              let factor = Scalar(Double(magnitude[rows.lowerBound + index]) / norm)
              for place in places {
                unsafe values[place] = (values[place] + product[place]) * factor
              }
            }
          }
        }
      }
    }
  }

  @inline(__always)
  private func scaleColumns(
    of values: UnsafeMutableBufferPointer<Scalar>, _ product: UnsafeBufferPointer<Scalar>,
    _ places: Range<Int>
  ) {
    unsafe columnFactors.withUnsafeBufferPointer { factors in
      for column in 0..<places.count {
        let place = places.lowerBound &+ column
        unsafe values[place] = (values[place] + product[place]) * factors[column]
      }
    }
  }

  /// Σ (left + right)², in four sums at once: one would wait for each addition.
  @inline(__always)
  private func sumOfSquares(
    _ left: UnsafeBufferPointer<Scalar>, _ right: UnsafeBufferPointer<Scalar>, _ places: Range<Int>
  ) -> Double {
    var sums = SIMD4<Double>()
    var place = places.lowerBound
    while place &+ 4 <= places.upperBound {
      let values = unsafe SIMD4(
        Double(left[place] + right[place]), Double(left[place &+ 1] + right[place &+ 1]),
        Double(left[place &+ 2] + right[place &+ 2]), Double(left[place &+ 3] + right[place &+ 3]))
      sums += values * values
      place &+= 4
    }
    while place < places.upperBound {
      let value = unsafe Double(left[place] + right[place])
      sums[0] += value * value
      place &+= 1
    }
    return sums.sum()
  }

  private func makeProduct(_ tile: inout Tile<Scalar>) {
    tile.clearProduct()
    product.add(times: 1, rows: tile.rows, columns: tile.columns, to: &tile.product)
  }
}
