package import AdapterFormat
internal import Storage
package import StrictJSON

/// W ← s ⊙ W · M₀ᵀ · M₁ᵀ ⋯ with rotations in butterfly order (Spec/adp-v1.md, section 8.17; BOFT,
/// arXiv:2311.06243).
public struct RotateButterfly: Sendable, Hashable {
  /// The weight.
  public var weight: Target
  /// [f, n, b, b]: for each factor and block a matrix whose skew part counts.
  public var generators: TypedOperand
  /// s, `out` elements.
  public var rowScale: TypedOperand

  /// Makes a change.
  public init(weight: Target, generators: TypedOperand, rowScale: TypedOperand) {
    self.weight = weight
    self.generators = generators
    self.rowScale = rowScale
  }
}

extension RotateButterfly: WeightPayload {
  package static let op = "rotate_butterfly"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (["r", "s"], [])

  package var extent: Extent {
    .matrix(output: rowScale.count, input: generators.shape[1] * generators.shape[2])
  }

  package init(_ fields: OperationFields) throws(FormatError) {
    weight = try fields.target()
    generators = try fields.operand("r")
    rowScale = try fields.operand("s")
  }

  /// [BUT-1].
  package func fault() -> String? {
    let shape = generators.shape
    guard generators.type.isFloat, rowScale.type.isFloat, rowScale.isVector, shape.count == 4,
      shape[2] == shape[3], !shape.contains(0),
      !shape[1].multipliedReportingOverflow(by: shape[2]).overflow
    else { return "r \(shape) and s \(rowScale.shape) are not [f, n, b, b] and [out] of floats" }
    guard shape[0] > 1 else { return nil }
    // Factor i cuts runs of b · 2^i inputs.
    guard shape[0] <= 32, shape[2].isMultiple(of: 2),
      (shape[1] * shape[2]).isMultiple(of: shape[2] << (shape[0] - 1))
    else { return "\(shape[0]) factors do not divide \(shape[1]) blocks of \(shape[2])" }
    return nil
  }

  package var operands: [(role: Name, operand: Operand?)] {
    [("r", generators.operand), ("s", rowScale.operand)]
  }

  package var attributes: [(key: Name, value: JSONValue?)] { [] }

  package var summary: OperationSummary {
    OperationSummary(traits: ["\(generators.shape[0]) factors", "blocks of \(generators.shape[2])"])
  }

  package var operation: Operation { .rotateButterfly(self) }
}
