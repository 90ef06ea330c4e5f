package import AdapterFormat
package import Storage
package import StrictJSON

/// W[places] ← W[places] + scale · values (Spec/operations/AddSparse.md; SHiRA, arXiv:2406.13175).
public struct AddSparse: Sendable, Hashable {
  /// The weight.
  public var target: Target
  /// Places: [2, n], rows above columns, or [n], counted through the whole tensor.
  public var indices: TypedOperand
  /// The values that are added there, [n].
  public var values: TypedOperand
  /// The factor of the values.
  public var scale: Double

  /// Makes a change.
  public init(target: Target, indices: TypedOperand, values: TypedOperand, scale: Double) {
    self.target = target
    self.indices = indices
    self.values = values
    self.scale = scale
  }
}

extension AddSparse: TargetedKind {
  package static let op = "add_sparse"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (["indices", "values"], ["scale"])

  package var extent: Extent { .matrix(output: nil, input: nil, isFlat: indices.shape.count == 2) }

  package init(_ fields: OperationFields) throws(FormatError) {
    target = try fields.target()
    indices = try fields.operand("indices")
    values = try fields.operand("values")
    scale = try fields.number("scale")
  }

  /// [SPA-1].
  package func fault() -> String? {
    guard [.i32, .i64].contains(indices.type), values.type.isFloat, values.shape.count == 1 else {
      return "indices and values are not I32 or I64 and [n] of floats"
    }
    return indices.shape == values.shape || indices.shape == [2] + values.shape
      ? nil : "indices \(indices.shape) are not those of values \(values.shape)"
  }

  package var operands: [(role: Name, operand: Operand?)] {
    [("indices", indices.operand), ("values", values.operand)]
  }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("scale", .number(scale))]
  }

  package var summary: OperationSummary {
    OperationSummary(scale: scale, traits: ["\(values.count) values"])
  }

  package var laws: Laws { Laws(.adds) }

  package var cost: Cost {
    Cost(perElement: Cost.loop, ahead: 8 * Cost.loop * Double(values.count))
  }

  package var measurable: Measurable { .change }

  package var lowRank: (any LowRankKind)? { nil }

  package var layerKind: (any LayerKind)? { nil }

  package func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] {
    let loaded: [Scalar] = try operands.values(values)
    let places = try places(&operands, shape)
    let order = places.indices.sorted { (places[$0], $0) < (places[$1], $1) }
    let scale = Scalar(scale)
    return [
      .adds(
        SparseChange(places: order.map { places[$0] }, values: order.map { loaded[$0] * scale }))
    ]
  }

  /// The places through the whole tensor.
  private func places(_ operands: inout OperandLoader, _ shape: Shape) throws -> [Int] {
    let indices = try operands.integers(indices)
    let columns = shape.dimensions.dropFirst().reduce(1, *)
    let count = values.count
    let places: [Int] =
      self.indices.shape.count == 1
      ? indices
      : (0..<count).map { index in
        let (row, column) = (indices[index], indices[count + index])
        return (0..<shape.dimensions[0]).contains(row) && (0..<columns).contains(column)
          ? row * columns + column : -1
      }
    guard places.allSatisfy((0..<shape.count).contains) else {
      throw AdapterError(
        .arithmetic, on: target.name, "\(Self.op) reaches out of the weight")
    }
    return places
  }
}

/// W[places] ← W[places] + values.
private struct SparseChange<Scalar: ComputeScalar>: TileAddition {
  /// Places through the whole matrix, ascending; one may stand there several times.
  let places: [Int]
  let values: [Scalar]

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func add(to tile: inout Tile<Scalar>, times factor: Double) {
    let factor = Scalar(factor)
    let first = tile.rows.lowerBound * tile.columns
    var index = lowerBound(first)
    while index < places.count, places[index] < first + tile.count {
      tile.values[places[index] - first] += factor * values[index]
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
