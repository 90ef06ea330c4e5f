package import AdapterFormat
internal import Storage
package import StrictJSON

/// W ← W + a matrix of circulant blocks (Spec/adp-v1.md, section 8.12; C3A, arXiv:2407.19342).
public struct AddCirculant: Sendable, Hashable {
  /// The weight.
  public var weight: Target
  /// [out / b, in / b, b].
  public var kernel: TypedOperand

  /// Makes a change.
  public init(weight: Target, kernel: TypedOperand) {
    self.weight = weight
    self.kernel = kernel
  }
}

extension AddCirculant: WeightPayload {
  package static let op = "add_circulant"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (["kernel"], [])

  package var extent: Extent {
    .matrix(output: kernel.shape[0] * kernel.shape[2], input: kernel.shape[1] * kernel.shape[2])
  }

  package init(_ fields: OperationFields) throws(FormatError) {
    weight = try fields.target()
    kernel = try fields.operand("kernel")
  }

  /// [CIR-1].
  package func fault() -> String? {
    let (shape, isFloat) = (kernel.shape, kernel.type.isFloat)
    guard isFloat, shape.count == 3, !shape.contains(0), product(shape) != nil else {
      return "kernel \(shape) is not [out / b, in / b, b] of floats"
    }
    return nil
  }

  package var operands: [(role: Name, operand: Operand?)] { [("kernel", kernel.operand)] }

  package var attributes: [(key: Name, value: JSONValue?)] { [] }

  package var summary: OperationSummary {
    OperationSummary(traits: ["blocks of \(kernel.shape.last ?? 0)"])
  }

  package var operation: Operation { .addCirculant(self) }
}
