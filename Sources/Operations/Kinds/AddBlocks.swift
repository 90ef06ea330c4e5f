package import AdapterFormat
internal import Storage
package import StrictJSON

/// W ← W + a small matrix repeated over it, or a change of each square block (Spec/adp-v1.md, section
/// 8.11; MiSS, arXiv:2409.15371).
public struct AddBlocks: Sendable, Hashable {
  /// The weight.
  public var weight: Target
  /// [r, q], or [out / r, r, r] for blocks that also multiply.
  public var blocks: TypedOperand
  /// Whether the columns are repeated over the outputs; else q = out.
  public var isTiled: Bool

  /// Makes a change.
  public init(weight: Target, blocks: TypedOperand, isTiled: Bool) {
    self.weight = weight
    self.blocks = blocks
    self.isTiled = isTiled
  }
}

extension AddBlocks: WeightPayload {
  package static let op = "add_blocks"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (["m"], ["tiled"])

  package var extent: Extent {
    guard blocks.shape.count == 3 else {
      return .matrix(output: isTiled ? nil : blocks.shape.last, input: nil, isFlat: true)
    }
    return .matrix(
      output: blocks.shape[0] * blocks.shape[1], input: nil, inputMultiple: blocks.shape[1],
      isFlat: true)
  }

  package init(_ fields: OperationFields) throws(FormatError) {
    weight = try fields.target()
    blocks = try fields.operand("m")
    isTiled = try fields.flag("tiled")
  }

  /// [BLO-1].
  package func fault() -> String? {
    guard blocks.type.isFloat, !blocks.shape.contains(0) else { return "m is not of floats" }
    switch blocks.shape.count {
    case 2: return nil
    case 3 where !isTiled && blocks.shape[1] == blocks.shape[2]: return nil
    default: return "m \(blocks.shape) is not [r, out] or [out / r, r, r]"
    }
  }

  package var operands: [(role: Name, operand: Operand?)] { [("m", blocks.operand)] }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("tiled", isTiled ? .boolean(true) : nil)]
  }

  package var summary: OperationSummary {
    OperationSummary(
      rank: blocks.shape[blocks.shape.count - 2],
      traits: blocks.shape.count == 3 ? ["multiplies"] : [])
  }

  package var operation: Operation { .addBlocks(self) }
}
