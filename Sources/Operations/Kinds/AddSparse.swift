package import AdapterFormat
internal import Storage
package import StrictJSON

/// W[places] ← W[places] + scale · values (Spec/adp-v1.md, section 8.10; SHiRA, arXiv:2406.13175).
public struct AddSparse: Sendable, Hashable {
  /// The weight.
  public var weight: Target
  /// Places: [2, n], rows above columns, or [n], counted through the whole tensor.
  public var indices: TypedOperand
  /// What is added there, [n].
  public var values: TypedOperand
  /// What the values are multiplied with.
  public var scale: Double

  /// Makes a change.
  public init(weight: Target, indices: TypedOperand, values: TypedOperand, scale: Double) {
    self.weight = weight
    self.indices = indices
    self.values = values
    self.scale = scale
  }
}

extension AddSparse: WeightPayload {
  package static let op = "add_sparse"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (["indices", "values"], ["scale"])

  package var extent: Extent { .matrix(output: nil, input: nil, isFlat: indices.shape.count == 2) }

  package init(_ fields: OperationFields) throws(FormatError) {
    weight = try fields.target()
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

  package var operation: Operation { .addSparse(self) }
}
