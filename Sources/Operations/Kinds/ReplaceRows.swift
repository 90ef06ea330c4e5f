package import AdapterFormat
internal import Storage
package import StrictJSON

/// p[rows[j], …] ← values[j, …] (Spec/adp-v1.md, section 8.5): embeddings of single tokens that were
/// trained.
public struct ReplaceRows: Sendable, Hashable {
  /// The parameter.
  public var parameter: Target
  /// Which rows, in the order of `values`; none twice.
  public var rows: [Int]
  /// Their values, [k, …].
  public var values: TypedOperand

  /// Makes a replacement.
  public init(parameter: Target, rows: [Int], values: TypedOperand) {
    self.parameter = parameter
    self.rows = rows
    self.values = values
  }
}

extension ReplaceRows: ParameterPayload {
  package static let op = "replace_rows"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (["values"], ["rows"])

  package var extent: Extent {
    .rows(above: rows.max() ?? -1, of: Array(values.shape.dropFirst()))
  }

  package init(_ fields: OperationFields) throws(FormatError) {
    parameter = try fields.target()
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

  package var operation: Operation { .replaceRows(self) }
}
