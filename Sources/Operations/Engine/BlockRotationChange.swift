internal import StrictJSON
/// Each row of W, block by block: x ← R · x, then, after all factors, times a factor of its own.
struct BlockRotationChange<Scalar: ComputeScalar>: TileChange {
  /// Rotations that stand side by side.
  struct Factor: Sendable {
    /// Rᵀ of each block; one stands for all where there is one.
    let blocks: [RightFactor<Scalar>]
    /// In which order the inputs stand when the blocks are applied; nil for their own.
    let order: RunOrder?

    /// Takes rotations.
    ///
    /// - Parameters:
    ///   - blocks: R of each block.
    ///   - order: in which order the inputs stand.
    /// - Throws: `LinearAlgebraError` where they could not be multiplied.
    @specialized(where Scalar == Float)
    @specialized(where Scalar == Double)
    init(_ blocks: [SquareMatrix], order: RunOrder? = nil) throws(LinearAlgebraError) {
      var factors: [RightFactor<Scalar>] = []
      for block in blocks {
        let size = block.size
        let transposed = (0..<size * size).map { Scalar(block[$0 % size, $0 / size]) }
        factors.append(try RightFactor(transposed, rows: size))
      }
      (self.blocks, self.order) = (factors, order)
    }
  }

  let factors: [Factor]
  let size: Int
  let rowScale: [Scalar]?

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func apply(to tile: inout Tile<Scalar>) {
    for factor in factors {
      if let order = factor.order { order.apply(to: &tile, isInverse: false) }
      rotate(&tile, by: factor)
      if let order = factor.order { order.apply(to: &tile, isInverse: true) }
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
    let (rows, columns) = (tile.rows.count, tile.columns)
    unsafe tile.values.withUnsafeBufferPointer { values in
      unsafe tile.product.withUnsafeMutableBufferPointer { result in
        guard let x = values.baseAddress, let y = result.baseAddress else { return }
        for start in stride(from: 0, to: columns, by: size) {
          let block = factor.blocks.count == 1 ? 0 : start / size
          unsafe factor.blocks[block].multiplyAdd(
            x + start, leftStride: columns, count: rows, into: y + start, stride: columns)
        }
      }
    }
    swap(&tile.values, &tile.product)
  }
}

/// An order of a row's elements that keeps runs of them together.
struct RunOrder: Sendable {
  /// Elements of a run.
  let length: Int
  /// Where each run goes.
  let targets: [Int]

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func apply<Scalar: ComputeScalar>(to tile: inout Tile<Scalar>, isInverse: Bool) {
    tile.makeRoomForProducts()
    let (count, columns) = (tile.count, tile.columns)
    unsafe tile.values.withUnsafeBufferPointer { values in
      unsafe tile.product.withUnsafeMutableBufferPointer { result in
        guard let from = values.baseAddress, let to = result.baseAddress else { return }
        for start in stride(from: 0, to: count, by: columns) {
          for (run, target) in targets.enumerated() {
            let (source, target) = isInverse ? (target, run) : (run, target)
            unsafe (to + start + target * length).update(
              from: from + start + source * length, count: length)
          }
        }
      }
    }
    swap(&tile.values, &tile.product)
  }
}

extension SquareMatrix? {
  /// The rotation, where there is one.
  func existing(at target: Target) throws(AdapterError) -> SquareMatrix {
    guard let self else {
      throw AdapterError(.arithmetic, on: target.name, "a rotation that does not exist")
    }
    return self
  }
}
