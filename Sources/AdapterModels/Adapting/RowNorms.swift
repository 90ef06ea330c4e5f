internal import Operations
internal import Storage

extension StoredMatrix {
  /// ‖(W + scale · B A)ₒ‖ for every output o.
  func rowNorms(with factors: LayerForm.Factors) -> [Float] {
    let workspace = Workspace()
    let norms = workspace.rows(1, rows)
    let size = 64
    WorkerPool.shared.run((rows + size - 1) / size) { [self] block in
      let outputs = block * size..<min((block + 1) * size, rows)
      unsafe TileMemory.withTile(of: outputs.count * columns) { tile in
        unsafe widen(outputs, into: tile)
        unsafe factors.add(outputs, to: tile)
        for (index, output) in outputs.enumerated() {
          var sum = 0.0
          for column in 0..<columns {
            let value = unsafe Double(tile[index * columns + column])
            sum += value * value
          }
          unsafe norms[0][output] = Float(sum.squareRoot())
        }
      }
    }
    return withExtendedLifetime(workspace) { unsafe Array(norms.elements) }
  }
}

extension LayerForm.Factors {
  /// Adds some rows of scale · B · A to a tile, [outputs, in].
  fileprivate func add(_ outputs: Range<Int>, to tile: UnsafeMutableBufferPointer<Float>) {
    guard rank > 0 else { return }
    let product = MatrixProduct(
      rows: outputs.count, columns: inputCount, inner: rank, a: (true, outputCount),
      b: (false, inputCount))
    unsafe transposedB.withUnsafeBufferPointer { b in
      unsafe a.withUnsafeBufferPointer { a in
        guard let b = b.baseAddress, let a = a.baseAddress,
          let tile = tile.baseAddress
        else { return }
        unsafe Float.multiplyAdd(product, b + outputs.lowerBound, a, scale: scale, into: tile)
      }
    }
  }
}
