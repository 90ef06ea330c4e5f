package import AdapterFormat
internal import Storage
package import StrictJSON

/// W ← W + k × k blocks of low rank (Spec/adp-v1.md, section 8.13; GraLoRA, arXiv:2505.20355).
public struct AddGroupedLowRank: Sendable, Hashable {
  /// The weight.
  public var weight: Target
  /// A, [k, in / k, r].
  public var a: TypedOperand
  /// B, [k, r, out / k].
  public var b: TypedOperand
  /// What the product is multiplied with.
  public var scale: Double

  /// Makes a change.
  public init(weight: Target, a: TypedOperand, b: TypedOperand, scale: Double) {
    self.weight = weight
    self.a = a
    self.b = b
    self.scale = scale
  }
}

extension AddGroupedLowRank: WeightPayload {
  package static let op = "add_grouped_low_rank"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (
    ["a", "b"], ["scale"] + layoutKeys
  )

  package var extent: Extent {
    .matrix(output: b.shape[0] * b.shape[2], input: a.shape[0] * a.shape[1])
  }

  package init(_ fields: OperationFields) throws(FormatError) {
    weight = try fields.matrixTarget()
    a = try fields.operand("a")
    b = try fields.operand("b")
    scale = try fields.number("scale")
  }

  /// [GRO-1].
  package func fault() -> String? {
    guard a.type.isFloat, b.type.isFloat, a.shape.count == 3, b.shape.count == 3,
      a.shape[0] == b.shape[0], a.shape[2] == b.shape[1], a.shape[0] > 0,
      a.shape[2].isMultiple(of: a.shape[0]),
      !a.shape[0].multipliedReportingOverflow(by: a.shape[1]).overflow,
      !b.shape[0].multipliedReportingOverflow(by: b.shape[2]).overflow
    else {
      return
        "A \(a.shape) and B \(b.shape) are not [k, in / k, r] and [k, r, out / k] with r in k parts"
    }
    return nil
  }

  package var operands: [(role: Name, operand: Operand?)] {
    [("a", a.operand), ("b", b.operand)]
  }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("scale", .number(scale))]
  }

  package var summary: OperationSummary {
    OperationSummary(rank: a.shape[2], scale: scale, traits: ["\(a.shape[0]) groups"])
  }

  package var operation: Operation { .addGroupedLowRank(self) }
}
