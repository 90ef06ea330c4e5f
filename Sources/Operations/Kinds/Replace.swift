package import AdapterFormat
public import Storage
package import StrictJSON

/// p ← value (Spec/adp-v1.md, section 8.4): a parameter that was trained in full.
public struct Replace: Sendable, Hashable {
  /// The parameter, or a buffer.
  public var parameter: Target
  /// Its value, of any type and shape.
  public var value: TypedOperand
  /// What a base that lacks the parameter means.
  public var absent: Absence
  /// Whether the first dimension may differ from the base's, as after a new vocabulary.
  public var canResize: Bool
  /// SHA-256 of the parameter's bytes after the change of the base it was extracted from.
  public var result: Digest?

  /// What happens where the base has no such parameter.
  public enum Absence: String, Sendable, Hashable, CaseIterable {
    /// It is not the right base.
    case refuse
    /// The parameter is made, as for a new head.
    case create
    /// The operation is left out.
    case skip
  }

  /// Makes a replacement.
  public init(
    parameter: Target, value: TypedOperand, absent: Absence = .refuse, canResize: Bool = false,
    result: Digest? = nil
  ) {
    self.parameter = parameter
    self.value = value
    self.absent = absent
    self.canResize = canResize
    self.result = result
  }
}

extension Replace: ParameterPayload {
  package static let op = "replace"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (
    ["value"], ["absent", "resize", "result"]
  )

  package var extent: Extent { .tensor(value.shape, canResize: canResize) }

  package init(_ fields: OperationFields) throws(FormatError) {
    parameter = try fields.target()
    value = try fields.operand("value")
    absent = try fields.word("absent", absent: .refuse)
    canResize = try fields.flag("resize")
    result = try fields.optionalDigest("result")
  }

  /// [REP-1].
  package func fault() -> String? {
    canResize && value.shape.isEmpty ? "a scalar has no size to change" : nil
  }

  package var operands: [(role: Name, operand: Operand?)] { [("value", value.operand)] }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [
      ("absent", absent == .refuse ? nil : .string(absent.rawValue)),
      ("resize", canResize ? .boolean(true) : nil),
      ("result", result.map { .string($0.description) }),
    ]
  }

  package var summary: OperationSummary {
    let traits = [
      absent == .refuse ? nil : "\(absent.rawValue) if absent", canResize ? "may resize" : nil,
    ]
    return OperationSummary(traits: traits.compactMap(\.self))
  }

  package var operation: Operation { .replace(self) }
}
