internal import AdapterFormat
internal import Storage

/// W ← W ⊙ v along one axis of the stored matrix.
struct MultiplyChange<Scalar: ComputeScalar>: TileChange {
  /// Which element of v belongs to an element of the matrix: v[row / rowsOfGroup · part + column /
  /// width], or v[row] where the rows are scaled.
  enum Axis {
    case rows
    case columns(width: Int, part: Int, rowsOfGroup: Int)
  }

  let vector: [Scalar]
  let axis: Axis

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func apply(to tile: inout Tile<Scalar>) {
    for row in 0..<tile.rows.count {
      let start = row * tile.columns
      switch axis {
      case .rows:
        let factor = vector[tile.rows.lowerBound + row]
        for index in start..<start + tile.columns { tile.values[index] *= factor }
      case .columns(let width, let part, let rowsOfGroup):
        let first = (tile.rows.lowerBound + row) / rowsOfGroup * part
        for column in 0..<tile.columns {
          tile.values[start + column] *= vector[first + column / width]
        }
      }
    }
  }
}

extension Multiply {
  func load<Scalar: ComputeScalar>(
    _ part: ParameterChange.Part, _ loader: inout OperandLoader, _ shape: [Int]
  ) throws(FormatError) -> MultiplyChange<Scalar> {
    var values: [Scalar] = try loader.values(vector)
    let share = loader.weight
    if share != 1 { values = values.map { Scalar((1 - share) + share * Double($0)) } }
    let layout = try weight.decidedLayout()
    guard part != .bias, (side == .output) != (layout == .outIn) else {
      return MultiplyChange(vector: values, axis: .rows)
    }
    // The stored matrix's columns: inputs and kernel positions, or, transposed, outputs.
    let channels = max(1, shape[1])
    let groups = max(1, values.count / channels)
    return MultiplyChange(
      vector: values,
      axis: .columns(
        width: max(1, shape.dropFirst(2).reduce(1, *)), part: channels,
        rowsOfGroup: max(1, shape[0] / groups)))
  }
}

/// p ← p + scale · δ.
struct AddChange<Scalar: ComputeScalar>: TileChange {
  let delta: OperandRun
  let scale: Scalar

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func apply(to tile: inout Tile<Scalar>) throws(FormatError) {
    let start = tile.rows.lowerBound * tile.columns
    try delta.widen(start..<start + tile.count, into: &tile.product)
    for index in 0..<tile.count { tile.values[index] += scale * tile.product[index] }
  }
}

/// p ← value.
struct ReplaceChange<Scalar: ComputeScalar>: TileChange {
  let value: OperandRun

  func apply(to tile: inout Tile<Scalar>) throws(FormatError) {
    let start = tile.rows.lowerBound * tile.columns
    try value.widen(start..<start + tile.count, into: &tile.values)
  }
}

/// Rows of p ← values.
struct ReplaceRowsChange<Scalar: ComputeScalar>: TileChange {
  /// Row → its place in `values`.
  let places: [Int: Int]
  let values: [Scalar]

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func apply(to tile: inout Tile<Scalar>) {
    for (index, row) in tile.rows.enumerated() {
      guard let place = places[row] else { continue }
      for column in 0..<tile.columns {
        tile.values[index * tile.columns + column] = values[place * tile.columns + column]
      }
    }
  }
}
