internal import StrictJSON
/// Each row of W, block by block: x ← R · x, then, after all factors, times a factor of its own.
struct BlockRotationChange<Scalar: ComputeScalar>: TileChange {
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

extension SquareMatrix? {
  /// The rotation, where there is one.
  func existing(at target: Target) throws(AdapterError) -> SquareMatrix {
    guard let self else {
      throw AdapterError(.arithmetic, on: target.name, "a rotation that does not exist")
    }
    return self
  }
}
