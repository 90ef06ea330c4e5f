package import AdapterFormat
internal import Storage
package import StrictJSON

/// W ← W · ∏ (I − 2 u uᵀ) (Spec/adp-v1.md, section 8.18; HRA, arXiv:2405.17484).
public struct ReflectInput: Sendable, Hashable {
  /// The weight.
  public var weight: Target
  /// u, [in, r]: a reflection for each column, which is normalised first.
  public var vectors: TypedOperand
  /// Whether the columns are made orthogonal first, by Gram and Schmidt.
  public var isOrthogonal: Bool

  /// Makes a change.
  public init(weight: Target, vectors: TypedOperand, isOrthogonal: Bool) {
    self.weight = weight
    self.vectors = vectors
    self.isOrthogonal = isOrthogonal
  }
}

extension ReflectInput: WeightPayload {
  package static let op = "reflect_input"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (["u"], ["orthogonal"])

  package var extent: Extent { .matrix(output: nil, input: vectors.shape[0]) }

  package init(_ fields: OperationFields) throws(FormatError) {
    weight = try fields.target()
    vectors = try fields.operand("u")
    isOrthogonal = try fields.flag("orthogonal")
  }

  /// [REF-1].
  package func fault() -> String? {
    vectors.type.isFloat && vectors.shape.count == 2
      ? nil : "u \(vectors.shape) is not [in, r] of floats"
  }

  package var operands: [(role: Name, operand: Operand?)] { [("u", vectors.operand)] }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("orthogonal", isOrthogonal ? .boolean(true) : nil)]
  }

  package var summary: OperationSummary {
    OperationSummary(rank: vectors.shape[1], traits: isOrthogonal ? ["orthogonal"] : [])
  }

  package var operation: Operation { .reflectInput(self) }
}
