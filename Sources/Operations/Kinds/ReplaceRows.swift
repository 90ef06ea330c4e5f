package import AdapterFormat
package import Storage
package import StrictJSON

/// p[rows[j], …] ← values[j, …] (Spec/adp-v1.md, section 8.5): embeddings of single tokens that were
/// trained.
public struct ReplaceRows: Sendable, Hashable {
  /// The parameter.
  public var target: Target
  /// Which rows, in the order of `values`; none twice.
  public var rows: [Int]
  /// Their values, [k, …].
  public var values: TypedOperand

  /// Makes a replacement.
  public init(target: Target, rows: [Int], values: TypedOperand) {
    self.target = target
    self.rows = rows
    self.values = values
  }
}

extension ReplaceRows: TargetedKind {
  package static let op = "replace_rows"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (["values"], ["rows"])

  package var extent: Extent {
    .rows(above: rows.max() ?? -1, of: Array(values.shape.dropFirst()))
  }

  package init(_ fields: OperationFields) throws(FormatError) {
    target = try fields.target()
    rows = try fields.list("rows")
    values = try fields.operand("values")
  }

  /// [ROW-1].
  package func fault() -> String? {
    guard values.type.isFloat, values.shape.first == rows.count else {
      return "values \(values.shape) \(values.type.rawValue) are not \(rows.count) rows of floats"
    }
    return Set(rows).count == rows.count ? nil : "a row is named twice"
  }

  package var operands: [(role: Name, operand: Operand?)] { [("values", values.operand)] }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("rows", .array(rows.map(JSONValue.count)))]
  }

  package var summary: OperationSummary { OperationSummary(traits: ["\(rows.count) rows"]) }

  package var laws: Laws { Laws(.replacesRows(rows, values)) }

  package var cost: Cost { .loop() }

  package var measurable: Measurable { .values(values, areRows: true) }

  package var lowRank: (any LowRankKind)? { nil }

  package var layerKind: (any LayerKind)? { nil }

  package func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] {
    let places = Dictionary(rows.enumerated().map { ($1, $0) }) { first, _ in first }
    return [
      .gives(ReplaceRowsChange<Scalar>(places: places, values: try operands.values(values)))
    ]
  }
}

/// Rows of p ← values.
private struct ReplaceRowsChange<Scalar: ComputeScalar>: TileChange {
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
