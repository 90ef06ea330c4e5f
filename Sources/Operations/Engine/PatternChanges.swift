internal import AdapterFormat
internal import Storage

/// W[places] ← W[places] + values.
struct SparseChange<Scalar: ComputeScalar>: TileChange {
  /// Places through the whole matrix, ascending; one may stand there several times.
  let places: [Int]
  let values: [Scalar]

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func apply(to tile: inout Tile<Scalar>) {
    let first = tile.rows.lowerBound * tile.columns
    var index = lowerBound(first)
    while index < places.count, places[index] < first + tile.count {
      tile.values[places[index] - first] += values[index]
      index += 1
    }
  }

  private func lowerBound(_ place: Int) -> Int {
    var (low, high) = (0, places.count)
    while low < high {
      let middle = (low + high) / 2
      if places[middle] < place { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

extension AddSparse {
  func load<Scalar: ComputeScalar>(
    _ loader: inout OperandLoader, _ shape: Shape
  ) throws(FormatError) -> SparseChange<Scalar> {
    let indices = try loader.integers(indices)
    let columns = shape.dimensions.dropFirst().reduce(1, *)
    let values: [Scalar] = try loader.values(values)
    let places: [Int] =
      self.indices.shape.count == 1
      ? indices
      : values.indices.map { index in
        let (row, column) = (indices[index], indices[values.count + index])
        return (0..<shape.dimensions[0]).contains(row) && (0..<columns).contains(column)
          ? row * columns + column : -1
      }
    guard places.allSatisfy((0..<shape.count).contains) else {
      throw .unsupported("\(weight.name): add_sparse reaches out of the weight")
    }
    let order = places.indices.sorted { (places[$0], $0) < (places[$1], $1) }
    let scale: Scalar = loader.weighted(scale)
    return SparseChange(
      places: order.map { places[$0] }, values: order.map { values[$0] * scale })
  }
}

/// W[o, i] ← W[o, i] + m[i mod r, o mod q].
struct RepeatedChange<Scalar: ComputeScalar>: TileChange {
  let values: [Scalar]
  let height: Int
  let width: Int

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func apply(to tile: inout Tile<Scalar>) {
    for (index, row) in tile.rows.enumerated() {
      for column in 0..<tile.columns {
        tile.values[index * tile.columns + column] += values[column % height * width + row % width]
      }
    }
  }
}

/// Each r × r block: W ← W + weight · (W · m + m), one m for all blocks of the same outputs.
struct BlockProductChange<Scalar: ComputeScalar>: TileChange {
  let blocks: [Scalar]
  let size: Int
  let weight: Scalar

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func apply(to tile: inout Tile<Scalar>) {
    var row = [Scalar](repeating: 0, count: size)
    for (index, output) in tile.rows.enumerated() {
      let block = output / size * size * size
      for start in stride(from: index * tile.columns, to: (index + 1) * tile.columns, by: size) {
        for column in 0..<size { row[column] = blocks[block + output % size * size + column] }
        for inner in 0..<size {
          let value = tile.values[start + inner]
          for column in 0..<size { row[column] += value * blocks[block + inner * size + column] }
        }
        for column in 0..<size { tile.values[start + column] += weight * row[column] }
      }
    }
  }
}

extension AddBlocks {
  func load<Scalar: ComputeScalar>(
    _ loader: inout OperandLoader
  ) throws(FormatError) -> any TileChange<Scalar> {
    let values: [Scalar] = try loader.values(blocks)
    let weight: Scalar = loader.weighted(1)
    guard blocks.shape.count == 3 else {
      return RepeatedChange(
        values: values.map { $0 * weight }, height: blocks.shape[0], width: blocks.shape[1])
    }
    return BlockProductChange(blocks: values, size: blocks.shape[1], weight: weight)
  }
}

/// W[o, i] ← W[o, i] + kernel[o / b, i / b, (i − o) mod b] / in.
struct CirculantChange<Scalar: ComputeScalar>: TileChange {
  /// Already divided.
  let kernel: [Scalar]
  let size: Int

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func apply(to tile: inout Tile<Scalar>) {
    for (index, row) in tile.rows.enumerated() {
      let first = row / size * tile.columns
      for column in 0..<tile.columns {
        let place = (column + size - row % size) % size
        tile.values[index * tile.columns + column] +=
          kernel[first + column / size * size + place]
      }
    }
  }
}

extension AddCirculant {
  func load<Scalar: ComputeScalar>(
    _ loader: inout OperandLoader
  ) throws(FormatError) -> CirculantChange<Scalar> {
    let values: [Double] = try loader.values(kernel)
    let inputs = Double(kernel.shape[1] * kernel.shape[2])
    let weight = loader.weight
    return CirculantChange(
      kernel: values.map { Scalar(weight * ($0 / inputs)) }, size: kernel.shape[2])
  }
}
