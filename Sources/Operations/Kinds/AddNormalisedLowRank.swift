package import AdapterFormat
internal import Storage
package import StrictJSON

/// W ← W + B · D · A with factors of norm 1, its columns scaled (Spec/adp-v1.md, section 8.14; DeLoRA,
/// arXiv:2503.18225).
public struct AddNormalisedLowRank: Sendable, Hashable {
  /// The weight.
  public var weight: Target
  /// A, [r, in].
  public var a: TypedOperand
  /// B, [out, r].
  public var b: TypedOperand
  /// λ, one element.
  public var strength: TypedOperand
  /// What each column is multiplied with, `in` elements.
  public var columnNorm: TypedOperand

  /// Makes a change.
  public init(
    weight: Target, a: TypedOperand, b: TypedOperand, strength: TypedOperand,
    columnNorm: TypedOperand
  ) {
    self.weight = weight
    self.a = a
    self.b = b
    self.strength = strength
    self.columnNorm = columnNorm
  }
}

extension AddNormalisedLowRank: WeightPayload {
  package static let op = "add_normalised_low_rank"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (
    ["a", "b", "lambda", "w_norm"], []
  )

  package var extent: Extent { .matrix(output: b.shape[0], input: a.shape[1]) }

  package init(_ fields: OperationFields) throws(FormatError) {
    weight = try fields.target()
    a = try fields.operand("a")
    b = try fields.operand("b")
    strength = try fields.operand("lambda")
    columnNorm = try fields.operand("w_norm")
  }

  /// [NOR-1].
  package func fault() -> String? {
    guard [a, b, strength, columnNorm].allSatisfy(\.type.isFloat), a.shape.count == 2,
      b.shape.count == 2, a.shape[0] == b.shape[1], a.shape[0] > 0, strength.count == 1,
      columnNorm.isVector, columnNorm.count == a.shape[1]
    else {
      return "A \(a.shape), B \(b.shape), lambda \(strength.shape) and w_norm \(columnNorm.shape) "
        + "do not fit each other"
    }
    return nil
  }

  package var operands: [(role: Name, operand: Operand?)] {
    [
      ("a", a.operand),
      ("b", b.operand),
      ("lambda", strength.operand),
      ("w_norm", columnNorm.operand),
    ]
  }

  package var attributes: [(key: Name, value: JSONValue?)] { [] }

  package var summary: OperationSummary {
    OperationSummary(rank: a.shape[0])
  }

  package var operation: Operation { .addNormalisedLowRank(self) }
}
