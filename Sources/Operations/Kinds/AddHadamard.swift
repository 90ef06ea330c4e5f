package import AdapterFormat
internal import Storage
package import StrictJSON

/// W ← W + scale · (w1_a · w1_b) ⊙ (w2_a · w2_b) (Spec/adp-v1.md, section 8.8; LoHa,
/// arXiv:2108.06098).
public struct AddHadamard: Sendable, Hashable {
  /// The weight.
  public var weight: Target
  /// w1_a and w1_b, and t1.
  public var first: FactorPair
  /// w2_a and w2_b, and t2.
  public var second: FactorPair
  /// What the product is multiplied with.
  public var scale: Double

  /// Makes a change.
  public init(weight: Target, first: FactorPair, second: FactorPair, scale: Double) {
    self.weight = weight
    self.first = first
    self.second = second
    self.scale = scale
  }
}

extension AddHadamard: WeightPayload {
  package static let op = "add_hadamard"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (
    ["w1_a", "w1_b", "t1", "w2_a", "w2_b", "t2"], ["scale"]
  )

  package var extent: Extent { first.extent }

  package init(_ fields: OperationFields) throws(FormatError) {
    weight = try fields.target()
    first = FactorPair(
      a: try fields.operand("w1_a"), b: try fields.operand("w1_b"),
      core: try fields.optionalOperand("t1"))
    second = FactorPair(
      a: try fields.operand("w2_a"), b: try fields.operand("w2_b"),
      core: try fields.optionalOperand("t2"))
    scale = try fields.number("scale")
  }

  /// [HAD-1].
  package func fault() -> String? {
    if let fault = first.fault() ?? second.fault() { return fault }
    return first.shape == second.shape ? nil : "the products are \(first.shape) and \(second.shape)"
  }

  package var operands: [(role: Name, operand: Operand?)] {
    [
      ("w1_a", first.a.operand),
      ("w1_b", first.b.operand),
      ("t1", first.core?.operand),
      ("w2_a", second.a.operand),
      ("w2_b", second.b.operand),
      ("t2", second.core?.operand),
    ]
  }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("scale", .number(scale))]
  }

  package var summary: OperationSummary {
    OperationSummary(rank: first.rank, scale: scale, traits: first.core == nil ? [] : ["cores"])
  }

  package var operation: Operation { .addHadamard(self) }
}
