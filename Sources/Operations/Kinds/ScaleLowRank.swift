package import AdapterFormat
internal import Storage
package import StrictJSON

/// W ← W + W° ⊙ (B · A) (Spec/adp-v1.md, section 8.15; HiRA, ICLR 2025).
public struct ScaleLowRank: Sendable, Hashable {
  /// The weight.
  public var weight: Target
  /// A, [r, in] or [r, in, k, …].
  public var a: TypedOperand
  /// B, [out, r] or [out, r, 1, …].
  public var b: TypedOperand

  /// Makes a change.
  public init(weight: Target, a: TypedOperand, b: TypedOperand) {
    self.weight = weight
    self.a = a
    self.b = b
  }
}

extension ScaleLowRank: WeightPayload {
  package static let op = "scale_low_rank"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (["a", "b"], layoutKeys)

  package var extent: Extent {
    let kernel = a.shape.count > 2 ? Array(a.shape.dropFirst()) : []
    return .matrix(output: b.shape[0], input: a.shape.dropFirst().reduce(1, *), kernel: kernel)
  }

  package init(_ fields: OperationFields) throws(FormatError) {
    weight = try fields.matrixTarget()
    a = try fields.operand("a")
    b = try fields.operand("b")
  }

  /// [SCA-1].
  package func fault() -> String? {
    guard a.type.isFloat, b.type.isFloat, a.shape.count >= 2, b.shape.count >= 2,
      b.shape.dropFirst(2).allSatisfy({ $0 == 1 }), a.shape[0] == b.shape[1]
    else { return "A \(a.shape) and B \(b.shape) are not [r, in, …] and [out, r, 1, …] of floats" }
    return nil
  }

  package var operands: [(role: Name, operand: Operand?)] {
    [("a", a.operand), ("b", b.operand)]
  }

  package var attributes: [(key: Name, value: JSONValue?)] { [] }

  package var summary: OperationSummary {
    OperationSummary(rank: a.shape[0])
  }

  package var operation: Operation { .scaleLowRank(self) }
}
