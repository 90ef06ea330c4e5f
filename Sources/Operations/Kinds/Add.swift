package import AdapterFormat
public import Storage
package import StrictJSON

/// p ← p + scale · δ (Spec/adp-v1.md, section 8.3; BitFit, arXiv:2106.10199).
public struct Add: Sendable, Hashable {
  /// The parameter.
  public var parameter: Target
  /// δ: as many elements as the parameter, in its order.
  public var delta: TypedOperand
  /// What δ is multiplied with.
  public var scale: Double
  /// SHA-256 of the parameter's bytes after the change of the base it was extracted from.
  public var result: Digest?

  /// Makes a change.
  public init(parameter: Target, delta: TypedOperand, scale: Double, result: Digest? = nil) {
    self.parameter = parameter
    self.delta = delta
    self.scale = scale
    self.result = result
  }
}

extension Add: ParameterPayload {
  package static let op = "add"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (["delta"], ["scale", "result"])

  package var extent: Extent { .elements(delta.count) }

  package init(_ fields: OperationFields) throws(FormatError) {
    parameter = try fields.target()
    delta = try fields.operand("delta")
    scale = try fields.number("scale")
    result = try fields.optionalDigest("result")
  }

  /// [ADD-1].
  package func fault() -> String? {
    delta.type.isFloat ? nil : "delta is \(delta.type.rawValue), not a float"
  }

  package var operands: [(role: Name, operand: Operand?)] { [("delta", delta.operand)] }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("scale", .number(scale)), ("result", result.map { .string($0.description) })]
  }

  package var summary: OperationSummary { OperationSummary(scale: scale) }

  package var operation: Operation { .add(self) }
}
