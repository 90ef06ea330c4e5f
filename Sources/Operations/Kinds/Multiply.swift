package import AdapterFormat
internal import Storage
package import StrictJSON

/// W ← W ⊙ v along the output or the input axis (Spec/adp-v1.md, section 8.2; IA3, arXiv:2205.05638,
/// section 3.3).
public struct Multiply: Sendable, Hashable {
  /// The weight.
  public var weight: Target
  /// v: a vector, of any shape with one dimension that is not 1.
  public var vector: TypedOperand
  /// Which axis of the logical weight it scales.
  public var side: Side
  /// Whether it scales the bias beside the weight as well, where the base has one.
  public var scalesBias: Bool

  /// An axis of the logical weight [out, in].
  public enum Side: String, Sendable, Hashable, CaseIterable {
    /// Rows.
    case output
    /// Columns. Of a grouped convolution, [out, in / g, k, …], each group of rows has its own part
    /// of the vector.
    case input
  }

  /// Makes a scaling.
  public init(weight: Target, vector: TypedOperand, side: Side, scalesBias: Bool) {
    self.weight = weight
    self.vector = vector
    self.side = side
    self.scalesBias = scalesBias
  }
}

extension Multiply: WeightPayload {
  package static let op = "multiply"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (
    ["v"], ["side", "bias"] + layoutKeys
  )

  package var extent: Extent { .axis(vector.count, side) }

  package init(_ fields: OperationFields) throws(FormatError) {
    weight = try fields.matrixTarget()
    vector = try fields.operand("v")
    side = try fields.word("side")
    scalesBias = try fields.flag("bias")
  }

  /// [MUL-1] and [MUL-2].
  package func fault() -> String? {
    guard vector.type.isFloat, vector.isVector else {
      return "v \(vector.shape) \(vector.type.rawValue) is not a vector of floats"
    }
    return scalesBias && side == .input ? "the input side has no bias" : nil
  }

  package var operands: [(role: Name, operand: Operand?)] { [("v", vector.operand)] }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("side", .string(side.rawValue)), ("bias", scalesBias ? .boolean(true) : nil)]
  }

  package var summary: OperationSummary {
    OperationSummary(traits: [side.rawValue + (scalesBias ? " and bias" : "")])
  }

  package var operation: Operation { .multiply(self) }
}
