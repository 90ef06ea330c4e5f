package import AdapterFormat
public import Storage
package import StrictJSON

/// Gives a parameter back the bits that it had before a change (Spec/adp-v1.md, section 8.22): what a merge that can be
/// taken back writes.
public struct Restore: Sendable, Hashable {
  /// The parameter.
  public var parameter: Target
  /// For each element the difference of its bits, an unsigned integer as wide as the parameter's elements.
  public var difference: TypedOperand
  /// A factor of what is taken away first, [rows, r], F32.
  public var left: TypedOperand?
  /// The other factor, [r, columns], F32.
  public var right: TypedOperand?
  /// SHA-256 of the parameter's bytes afterwards.
  public var result: Digest

  /// Makes a restoration.
  public init(
    parameter: Target, difference: TypedOperand, left: TypedOperand? = nil,
    right: TypedOperand? = nil, result: Digest
  ) {
    self.parameter = parameter
    self.difference = difference
    self.left = left
    self.right = right
    self.result = result
  }
}

extension Restore: ParameterPayload {
  package static let op = "restore"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (
    ["difference", "left", "right"], ["result"]
  )

  package var extent: Extent {
    guard let left, let right else { return .elements(difference.count) }
    return .matrix(output: left.shape.first, input: right.shape.last)
  }

  package init(_ fields: OperationFields) throws(FormatError) {
    parameter = try fields.target()
    difference = try fields.operand("difference")
    left = try fields.optionalOperand("left")
    right = try fields.optionalOperand("right")
    result = try fields.digest("result")
  }

  /// [RES-1].
  package func fault() -> String? {
    guard [.u8, .u16, .u32, .u64].contains(difference.type) else {
      return "difference is \(difference.type.rawValue), no unsigned integer"
    }
    guard left != nil || right != nil else { return nil }
    guard let left, let right, left.type == .f32, right.type == .f32, left.shape.count == 2,
      right.shape.count == 2, left.shape[1] == right.shape[0]
    else { return "left and right are not [rows, r] and [r, columns] of F32" }
    return product([left.shape[0], right.shape[1]]) == difference.count
      ? nil : "difference \(difference.shape) has not the elements of left · right"
  }

  package var operands: [(role: Name, operand: Operand?)] {
    [
      ("difference", difference.operand), ("left", left?.operand), ("right", right?.operand),
    ]
  }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("result", .string(result.description))]
  }

  package var summary: OperationSummary { OperationSummary(rank: left?.shape.last) }

  package var operation: Operation { .restore(self) }
}
