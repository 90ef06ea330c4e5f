internal import AdapterFormat
internal import Foundation
internal import Storage

/// Each row of W, block by block: x ← R · x, then, after all factors, times a factor of its own.
struct RotateInputChange<Scalar: ComputeScalar>: TileChange {
  /// Rotations that follow each other.
  struct Factor: Sendable {
    /// [n, b, b]; one block stands for all where there is one.
    let blocks: [Scalar]
    /// Which input stands at which place when the blocks are applied; nil for its own.
    let order: [Int]?
  }

  let factors: [Factor]
  let size: Int
  let rowScale: [Scalar]?

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func apply(to tile: inout Tile<Scalar>) {
    for factor in factors {
      if let order = factor.order { permute(&tile, order, isInverse: false) }
      rotate(&tile, by: factor)
      if let order = factor.order { permute(&tile, order, isInverse: true) }
    }
    guard let rowScale else { return }
    for (index, row) in tile.rows.enumerated() {
      let scale = rowScale[row]
      for place in index * tile.columns..<(index + 1) * tile.columns { tile.values[place] *= scale }
    }
  }

  /// X ← X · Rᵀ, a block of columns after the other.
  private func rotate(_ tile: inout Tile<Scalar>, by factor: Factor) {
    tile.clearProduct()
    let isShared = factor.blocks.count == size * size
    var product = MatrixProduct(
      rows: tile.rows.count, columns: size, inner: size, a: (false, tile.columns),
      b: (true, size))
    let columns = tile.columns
    product.resultStride = columns
    unsafe tile.values.withUnsafeBufferPointer { values in
      unsafe factor.blocks.withUnsafeBufferPointer { blocks in
        unsafe tile.product.withUnsafeMutableBufferPointer { result in
          guard let x = values.baseAddress, let r = blocks.baseAddress, let y = result.baseAddress
          else { return }
          for start in stride(from: 0, to: columns, by: size) {
            let block = isShared ? 0 : start * size
            unsafe Scalar.multiplyAdd(product, x + start, r + block, scale: 1, into: y + start)
          }
        }
      }
    }
    swap(&tile.values, &tile.product)
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private func permute(_ tile: inout Tile<Scalar>, _ order: [Int], isInverse: Bool) {
    tile.clearProduct()
    for start in stride(from: 0, to: tile.count, by: tile.columns) {
      for (column, place) in order.enumerated() {
        let (from, to) = isInverse ? (place, column) : (column, place)
        tile.product[start + to] = tile.values[start + from]
      }
    }
    swap(&tile.values, &tile.product)
  }
}

extension RotateInput {
  func load<Scalar: ComputeScalar>(
    _ loader: inout OperandLoader
  ) throws(FormatError) -> RotateInputChange<Scalar> {
    let size = blockSize ?? 1
    let values: [Double] = try loader.values(generator)
    let width = generator.shape[1]
    var blocks: [Scalar] = []
    for block in 0..<generator.shape[0] {
      var skew = SquareMatrix(size: size)
      var place = block * width
      for row in 0..<size {
        for column in row + 1..<max(row + 1, size) {
          skew[row, column] = values[place]
          skew[column, row] = -values[place]
          place += 1
        }
      }
      if let radius, skew.norm > radius { skew = skew.scaled(by: radius / skew.norm) }
      let rotation = terms == 0 ? skew.cayley : skew.cayleySeries(terms: terms)
      guard let rotation else {
        throw .unsupported("\(weight.name): a rotation that does not exist")
      }
      blocks += rotation.values.map(Scalar.init)
    }
    return RotateInputChange(
      factors: [.init(blocks: blocks, order: nil)], size: size, rowScale: nil)
  }
}

extension RotateButterfly {
  func load<Scalar: ComputeScalar>(
    _ loader: inout OperandLoader
  ) throws(FormatError) -> RotateInputChange<Scalar> {
    let shape = generators.shape
    let (count, size) = (shape[1], shape[2])
    let values: [Double] = try loader.values(generators)
    var factors: [RotateInputChange<Scalar>.Factor] = []
    for factor in 0..<shape[0] {
      var blocks: [Scalar] = []
      for block in 0..<count {
        let start = (factor * count + block) * size * size
        var skew = SquareMatrix(size: size)
        for row in 0..<size {
          for column in 0..<size {
            skew[row, column] =
              (values[start + row * size + column] - values[start + column * size + row]) / 2
          }
        }
        guard let rotation = skew.cayley else {
          throw .unsupported("\(weight.name): a rotation that does not exist")
        }
        blocks += rotation.values.map(Scalar.init)
      }
      let order = factor == 0 ? nil : Self.order(factor, inputs: count * size, blockSize: size)
      factors.append(.init(blocks: blocks, order: order))
    }
    return RotateInputChange(factors: factors, size: size, rowScale: try loader.values(rowScale))
  }

  /// Inside every run of b · 2^i inputs, cut into parts of b / 2: the even parts first, then the odd
  /// ones. Gives for each input the place where it is rotated.
  private static func order(_ factor: Int, inputs: Int, blockSize: Int) -> [Int] {
    let (half, parts) = (blockSize / 2, 2 << factor)
    return (0..<inputs).map { place in
      let run = place / (half * parts) * (half * parts)
      let part = (place - run) / half
      let source = part < parts / 2 ? 2 * part : 2 * (part - parts / 2) + 1
      return run + source * half + place % half
    }
  }
}

/// Each row of W: x ← x − 2 (x · u) u, for one u after the other.
struct ReflectInputChange<Scalar: ComputeScalar>: TileChange {
  /// Vectors of norm 1, each as long as a row.
  let vectors: [[Scalar]]

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func apply(to tile: inout Tile<Scalar>) {
    for index in 0..<tile.rows.count {
      let start = index * tile.columns
      for vector in vectors {
        var sum: Scalar = 0
        for column in 0..<tile.columns { sum += tile.values[start + column] * vector[column] }
        sum *= 2
        for column in 0..<tile.columns { tile.values[start + column] -= sum * vector[column] }
      }
    }
  }
}

extension ReflectInput {
  func load<Scalar: ComputeScalar>(
    _ loader: inout OperandLoader
  ) throws(FormatError) -> ReflectInputChange<Scalar> {
    let (inputs, count) = (vectors.shape[0], vectors.shape[1])
    let values: [Double] = try loader.values(vectors)
    var done: [[Double]] = []
    for column in 0..<count {
      var vector = (0..<inputs).map { values[$0 * count + column] }
      if isOrthogonal {
        for other in done {
          let product = zip(vector, other).reduce(0) { $0 + $1.0 * $1.1 }
          for index in vector.indices { vector[index] -= product * other[index] }
        }
      }
      let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      guard norm > 0 else { throw .unsupported("\(weight.name): a reflection without a direction") }
      done.append(vector.map { $0 / norm })
    }
    return ReflectInputChange(vectors: done.map { $0.map(Scalar.init) })
  }
}

/// Rows half a group apart, as pairs: (x, y) ← (c₁ x − s₁ y, c₂ y + s₂ x).
struct RotateOutputChange<Scalar: ComputeScalar>: TileChange {
  /// α · cos θ and α · sin θ for every row.
  let cosines: [Scalar]
  let sines: [Scalar]
  let half: Int

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func apply(to tile: inout Tile<Scalar>) {
    for (index, row) in tile.rows.enumerated() where row % (2 * half) < half {
      let (cosine, sine) = ((cosines[row], cosines[row + half]), (sines[row], sines[row + half]))
      for column in 0..<tile.columns {
        let (upper, lower) = (index * tile.columns + column, (index + half) * tile.columns + column)
        let (x, y) = (tile.values[upper], tile.values[lower])
        tile.values[upper] = cosine.0 * x - sine.0 * y
        tile.values[lower] = cosine.1 * y + sine.1 * x
      }
    }
  }
}

extension RotateOutput {
  func load<Scalar: ComputeScalar>(
    _ loader: inout OperandLoader
  ) throws(FormatError) -> RotateOutputChange<Scalar> {
    let (angles, factors): ([Double], [Double]) = (
      try loader.values(theta), try loader.values(alpha)
    )
    let half = groupSize / 2
    /// Where a row's angle is; `sine` chooses between the two that `road_4` has.
    func place(_ row: Int, sine: Bool) -> Int {
      let (group, side, pair) = (row / groupSize, row % groupSize / half, row % half)
      return switch variant {
      case .road1: group * half + pair
      case .road2: group * groupSize + side * half + pair
      case .road4: (group * 2 + (sine ? 1 : 0)) * groupSize + side * half + pair
      }
    }
    let rows = 0..<outputCount
    return RotateOutputChange(
      cosines: rows.map { row in
        let place = place(row, sine: false)
        return Scalar(factors[place] * cos(angles[place]))
      },
      sines: rows.map { row in
        let place = place(row, sine: true)
        return Scalar(factors[place] * sin(angles[place]))
      }, half: half)
  }
}
