package import AdapterFormat
package import Storage
package import StrictJSON

/// W ← W + scale · B · A (Spec/adp-v1.md, section 8.1; LoRA, arXiv:2106.09685, section 4.1), with
/// what AdaLoRA, VeRA and DoRA add to it.
public struct AddLowRank: Sendable, Hashable {
  /// The weight.
  public var target: Target
  /// A, [r, in] or [r, in, k, …]; [E · r, in] for experts, [r, in / n] in n blocks.
  public var a: TypedOperand
  /// B, [out, r] or [out, r, 1, …]; [out, r · E] for experts, [out, r / n] in n blocks.
  public var b: TypedOperand
  /// The factor of the product.
  public var scale: Double
  /// A diagonal between B and A, r elements (AdaLoRA's E, VeRA's λ_d).
  public var diagonal: TypedOperand?
  /// A factor for each output, `out` elements (VeRA's λ_b).
  public var rowScale: TypedOperand?
  /// The norm of each output's weights after the change, `out` elements (DoRA, arXiv:2402.09353).
  public var magnitude: TypedOperand?
  /// How many weights are changed at once, in a stack.
  public var experts: Int?
  /// True if A may have more columns than the weight has: the first are used (VeRA shares one A among weights of
  /// several sizes).
  public var isWide = false
  /// Blocks on the diagonal of A.
  public var aBlocks = 1
  /// Blocks on the diagonal of B.
  public var bBlocks = 1

  /// Makes a plain change.
  public init(target: Target, a: TypedOperand, b: TypedOperand, scale: Double) {
    self.target = target
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

extension AddLowRank: TargetedKind {
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
    target = try fields.matrixTarget()
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
    guard LowRankProduct.areFactors(a, b) else {
      return "A \(a.shape) and B \(b.shape) are not [r, in, …] and [out, r, 1, …]"
    }
    guard a.shape.count == 2 || target.layout != .inOut else { return "a kernel is stored out_in" }
    let isPlain =
      all.count == 2 && aBlocks == 1 && bBlocks == 1 && a.shape.count == 2 && b.shape.count == 2
    guard experts == nil || (isPlain && !isWide) else { return "experts stand alone" }
    guard experts == nil || rank > 0 else { return "experts have a rank" }
    guard !isWide || (a.shape.count == 2 && aBlocks == 1) else { return "a wide A is one matrix" }
    guard aBlocks == 1 || a.shape.count == 2 else { return "an A in blocks has no kernel" }
    guard a.shape[0].isMultiple(of: experts ?? aBlocks), b.shape[0].isMultiple(of: bBlocks),
      checkedProduct([b.shape[1], bBlocks]) == a.shape[0],
      checkedProduct(a.shape.dropFirst() + [aBlocks]) != nil
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
      max(aBlocks, bBlocks) == 1 ? nil : "\(max(aBlocks, bBlocks)) blocks",
    ]
    return OperationSummary(rank: rank, scale: scale, traits: traits.compactMap(\.self))
  }

  package var laws: Laws {
    var laws = Laws(magnitude == nil ? .adds : .transforms)
    laws.stacks = experts == nil ? .none : .sees
    // A change that was pruned away: its target must be there, and stays as it is.
    laws.isIdle = rank == 0 && magnitude == nil
    laws.neutral = magnitude == nil ? .init(operand: b, value: .zero, scale: scale) : nil
    laws.canBeCut = magnitude == nil && !isWide
    return laws
  }

  package var cost: Cost { .loop(andProduct: a.shape.first ?? 0) }

  package var measurable: Measurable {
    guard let magnitude else { return .change }
    return isWide ? .operands : .direction(with: [("magnitude", magnitude)])
  }

  package var lowRank: (any LowRankKind)? { self }

  /// A kernel's positions, and experts, are more than a linear layer has.
  package var layerKind: (any LayerKind)? { experts == nil && a.shape.count == 2 ? self : nil }

  package func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] {
    let layout = try target.decidedLayout()
    let factors: LowRankFactors<Scalar> = try combined(&operands, shape)
    if let magnitude {
      let change = MagnitudeChange(
        factors: factors, layout: layout, magnitude: try operands.values(magnitude))
      return [.transforms(change)]
    }
    switch part {
    case .bias: return []
    case .region(let rows):
      return [.adds(LowRankChange(factors: factors, layout: layout, region: rows))]
    case .expert(let index, let rows):
      let own = try expert(index, of: factors, count: experts ?? 1)
      let part = layout == .outIn ? own.rows(rows) : own.columns(rows)
      return [.adds(LowRankChange(factors: part, layout: layout))]
    case .whole:
      guard let experts else { return [.adds(LowRankChange(factors: factors, layout: layout))] }
      let rows = layout == .outIn ? outputCount : inputCount
      return try (0..<experts).map { index in
        .adds(
          LowRankChange(
            factors: try expert(index, of: factors, count: experts), layout: layout,
            region: index * rows..<(index + 1) * rows))
      }
    }
  }
}

extension AddLowRank: LowRankKind {
  package var product: LowRankProduct {
    var product = LowRankProduct(rank: rank, outputCount: outputCount, inputCount: inputCount)
    product.experts = experts
    product.isChange = magnitude == nil
    return product
  }

  package func factors<Scalar: ComputeScalar>(
    _ operands: inout OperandLoader, _ shape: Shape?
  ) throws -> [LowRankFactors<Scalar>] {
    let factors: LowRankFactors<Scalar> = try combined(&operands, shape)
    guard let experts else { return [factors] }
    return try (0..<experts).map { try expert($0, of: factors, count: experts) }
  }

  /// The factors of all experts as they are stored, with what stands between and before them multiplied in.
  private func combined<Scalar: ComputeScalar>(
    _ operands: inout OperandLoader, _ shape: Shape?
  ) throws -> LowRankFactors<Scalar> {
    if let shape {
      try checkFactors(target, rank: a.shape[0], inputCount + outputCount, of: shape.count)
    }
    var factors = try LowRankFactors<Scalar>(
      a: try operands.values(a), b: try operands.values(b), rank: a.shape[0],
      inputCount: inputCount, scale: scale)
    if aBlocks > 1 { factors.a = Self.blockDiagonal(factors.a, a.shape[0], aBlocks) }
    if bBlocks > 1 { factors.b = Self.blockDiagonal(factors.b, outputCount, bBlocks) }
    if let diagonal { factors.scaleRows(by: try operands.values(diagonal)) }
    if let rowScale { factors.scaleOutputs(by: try operands.values(rowScale)) }
    if isWide, let shape {
      factors = factors.columns(0..<min(inputCount, shape.count / max(1, outputCount)))
    }
    return factors
  }

  /// The blocks of a matrix, which lie below each other, moved onto the diagonal of a wider one.
  private static func blockDiagonal<Scalar: ComputeScalar>(
    _ values: [Scalar], _ rows: Int, _ blocks: Int
  ) -> [Scalar] {
    guard rows > 0 else { return [] }
    let width = values.count / rows
    var result = [Scalar](repeating: 0, count: values.count * blocks)
    for row in 0..<rows {
      let start = row * width * blocks + row / (rows / blocks) * width
      result.replaceSubrange(start..<start + width, with: values[row * width..<(row + 1) * width])
    }
    return result
  }

  /// One expert's factors: A_e = A[e · r …], B_e = B[:, i · E + e].
  private func expert<Scalar: ComputeScalar>(
    _ index: Int, of factors: LowRankFactors<Scalar>, count: Int
  ) throws -> LowRankFactors<Scalar> {
    let a = factors.a[index * rank * inputCount..<(index + 1) * rank * inputCount]
    let b = (0..<outputCount * rank).map { place in
      factors.b[place / rank * rank * count + place % rank * count + index]
    }
    return try LowRankFactors(
      a: Array(a), b: b, rank: rank, inputCount: inputCount, scale: factors.scale)
  }
}

extension AddLowRank: LayerKind {
  package func form(
    _ operands: inout OperandLoader, outputCount: Int, inputCount: Int
  ) throws -> LayerForm {
    let shape = Shape([UInt64(outputCount), UInt64(inputCount)])
    let factors: LowRankFactors<Float> = try combined(&operands, shape)
    guard factors.inputCount == inputCount, factors.b.count == outputCount * factors.rank else {
      throw AdapterError(
        .misuse, on: target.name,
        "factors that are not those of [\(outputCount), \(inputCount)]")
    }
    let norms: [Float]? = try magnitude.map { try operands.values($0) }
    return .lowRank(.init(factors, outputCount: outputCount, magnitude: norms))
  }
}
