package import AdapterFormat
internal import Storage
package import StrictJSON

/// W ← W + scale · B · A (Spec/adp-v1.md, section 8.1; LoRA, arXiv:2106.09685, section 4.1), with
/// what AdaLoRA, VeRA and DoRA add to it.
public struct AddLowRank: Sendable, Hashable {
  /// The weight.
  public var weight: Target
  /// A, [r, in] or [r, in, k, …]; [E · r, in] for experts, [r, in / n] in n blocks.
  public var a: TypedOperand
  /// B, [out, r] or [out, r, 1, …]; [out, r · E] for experts, [out, r / n] in n blocks.
  public var b: TypedOperand
  /// What the product is multiplied with.
  public var scale: Double
  /// A diagonal between B and A, r elements (AdaLoRA's E, VeRA's λ_d).
  public var diagonal: TypedOperand?
  /// A factor for each output, `out` elements (VeRA's λ_b).
  public var rowScale: TypedOperand?
  /// The norm of each output's weights after the change, `out` elements (DoRA, arXiv:2402.09353).
  public var magnitude: TypedOperand?
  /// How many weights are changed at once, in a stack.
  public var experts: Int?
  /// Whether A may have more columns than the weight has: the first are used (VeRA shares one A among
  /// weights of several sizes).
  public var isWide = false
  /// Blocks on the diagonal of A.
  public var aBlocks = 1
  /// Blocks on the diagonal of B.
  public var bBlocks = 1

  /// Makes a plain change.
  public init(weight: Target, a: TypedOperand, b: TypedOperand, scale: Double) {
    self.weight = weight
    self.a = a
    self.b = b
    self.scale = scale
  }

  /// r.
  public var rank: Int { (a.shape.first ?? 0) / (experts ?? 1) }
  /// Columns of the logical weight, [out, in]; a kernel's positions count as columns.
  public var inputCount: Int { a.shape.dropFirst().reduce(1, *) * aBlocks }
  /// Rows of the logical weight.
  public var outputCount: Int { b.shape.first ?? 0 }
}

extension AddLowRank: WeightPayload {
  package static let op = "add_low_rank"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (
    ["a", "b", "diagonal", "row_scale", "magnitude"],
    ["scale", "experts", "wide", "a_blocks", "b_blocks"] + layoutKeys
  )

  package var extent: Extent {
    if let experts { return .experts(experts, output: outputCount, input: inputCount) }
    if isWide { return .matrix(output: outputCount, input: nil, maximumInput: inputCount) }
    let kernel = a.shape.count > 2 ? Array(a.shape.dropFirst()) : []
    return .matrix(output: outputCount, input: inputCount, kernel: kernel)
  }

  package init(_ fields: OperationFields) throws(FormatError) {
    weight = try fields.matrixTarget()
    a = try fields.operand("a")
    b = try fields.operand("b")
    scale = try fields.number("scale")
    diagonal = try fields.optionalOperand("diagonal")
    rowScale = try fields.optionalOperand("row_scale")
    magnitude = try fields.optionalOperand("magnitude")
    experts = try fields.optionalCount("experts")
    isWide = try fields.flag("wide")
    aBlocks = try fields.count("a_blocks", absent: 1)
    bBlocks = try fields.count("b_blocks", absent: 1)
  }

  /// [LOW-1] and [LOW-2].
  package func fault() -> String? {
    let all = [a, b, diagonal, rowScale, magnitude].compactMap(\.self)
    guard all.allSatisfy(\.type.isFloat) else { return "an operand is not of a float type" }
    guard a.shape.count >= 2, b.shape.count >= 2, b.shape.dropFirst(2).allSatisfy({ $0 == 1 })
    else {
      return "A \(a.shape) and B \(b.shape) are not [r, in, …] and [out, r, 1, …]"
    }
    let isPlain = all.count == 2 && aBlocks == 1 && bBlocks == 1 && a.shape.count == 2
    guard experts == nil || (isPlain && !isWide) else { return "experts stand alone" }
    guard experts == nil || rank > 0 else { return "experts have a rank" }
    guard !isWide || (a.shape.count == 2 && aBlocks == 1) else { return "a wide A is one matrix" }
    guard aBlocks == 1 || a.shape.count == 2 else { return "an A in blocks has no kernel" }
    guard a.shape[0].isMultiple(of: experts ?? aBlocks), b.shape[0].isMultiple(of: bBlocks),
      product([b.shape[1], bBlocks]) == a.shape[0], product(a.shape.dropFirst() + [aBlocks]) != nil
    else { return "A \(a.shape) and B \(b.shape) do not agree in r" }
    if let diagonal, !diagonal.isVector || diagonal.count != rank {
      return "the diagonal \(diagonal.shape) has not r = \(rank) elements"
    }
    for (operand, name) in [(rowScale, "row_scale"), (magnitude, "magnitude")] {
      if let operand, !operand.isVector || operand.count != outputCount {
        return "\(name) \(operand.shape) has not out = \(outputCount) elements"
      }
    }
    return nil
  }

  package var operands: [(role: Name, operand: Operand?)] {
    [
      ("a", a.operand), ("b", b.operand), ("diagonal", diagonal?.operand),
      ("row_scale", rowScale?.operand), ("magnitude", magnitude?.operand),
    ]
  }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [
      ("scale", .number(scale)), ("experts", experts.map(JSONValue.count)),
      ("wide", isWide ? .boolean(true) : nil),
      ("a_blocks", aBlocks == 1 ? nil : .count(aBlocks)),
      ("b_blocks", bBlocks == 1 ? nil : .count(bBlocks)),
    ]
  }

  package var summary: OperationSummary {
    let traits = [
      magnitude == nil ? nil : "magnitude", diagonal == nil ? nil : "diagonal",
      rowScale == nil ? nil : "row scale", experts.map { "\($0) experts" },
      aBlocks * bBlocks == 1 ? nil : "\(max(aBlocks, bBlocks)) blocks",
    ]
    return OperationSummary(rank: rank, scale: scale, traits: traits.compactMap(\.self))
  }

  package var operation: Operation { .addLowRank(self) }
}
