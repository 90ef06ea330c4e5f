package import AdapterFormat
package import Storage
package import StrictJSON

/// W ← W · Rᵀ with small rotations R on the diagonal (Spec/operations/RotateInput.md; OFT,
/// arXiv:2306.07280).
public struct RotateInput: Sendable, Hashable {
  /// The weight.
  public var target: Target
  /// [n, b (b − 1) / 2]: for each block what stands above the diagonal of a skew matrix Q, row by row.
  public var generator: TypedOperand
  /// Terms of the series that stands for the rotation; 0 for the exact one.
  public var terms: Int
  /// True if one block is used for all.
  public var isShared: Bool
  /// Q is scaled down to this Frobenius norm where it is above; nil for no bound.
  public var radius: Double?

  /// Makes a change.
  public init(
    target: Target, generator: TypedOperand, terms: Int, isShared: Bool, radius: Double? = nil
  ) {
    self.target = target
    self.generator = generator
    self.terms = terms
    self.isShared = isShared
    self.radius = radius
  }
}

extension RotateInput: TargetedKind {
  package static let op = "rotate_input"
  private static let maximumTerms = 64
  package static let vocabulary: (roles: [Name], keys: [Name]) = (
    ["u"], ["terms", "shared", "radius"]
  )

  /// b, from b (b − 1) / 2 elements; nil where no b gives as many.
  package var blockSize: Int? {
    let count = generator.shape.last ?? 0
    // At most 2^53 - 1, so that the root is closer to b than a half.
    let size = Int(((1 + (1 + 8 * Double(count)).squareRoot()) / 2).rounded())
    return size >= 2 && size * (size - 1) / 2 == count ? size : nil
  }

  /// PEFT's unmerged convolutions do not compute what a rotated kernel would: weights are matrices.
  package var extent: Extent {
    guard let size = blockSize else { return .matrix(output: nil, input: 0) }
    guard isShared else {
      return .matrix(output: nil, input: generator.shape[0] * size, isFlat: true)
    }
    return .matrix(output: nil, input: nil, inputMultiple: size, isFlat: true)
  }

  package init(_ fields: OperationFields) throws(FormatError) {
    target = try fields.target()
    generator = try fields.operand("u")
    terms = try fields.optionalCount("terms") ?? 0
    isShared = try fields.flag("shared")
    radius = try fields.optionalNumber("radius")
  }

  /// [ROT-1].
  package func fault() -> String? {
    guard generator.type.isFloat, generator.shape.count == 2, blockSize != nil else {
      return "u \(generator.shape) is not [n, b (b - 1) / 2] of floats"
    }
    guard terms <= Self.maximumTerms else { return "\(terms) terms are more than anybody needs" }
    guard !isShared || generator.shape[0] == 1 else { return "a shared block is one" }
    return radius.map { $0 >= 0 } ?? true ? nil : "the radius is negative"
  }

  package var operands: [(role: Name, operand: Operand?)] { [("u", generator.operand)] }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [
      ("terms", terms == 0 ? nil : .count(terms)), ("shared", isShared ? .boolean(true) : nil),
      ("radius", radius.map(JSONValue.number)),
    ]
  }

  package var summary: OperationSummary {
    OperationSummary(traits: [
      "blocks of \(blockSize ?? 0)", terms == 0 ? "exact" : "\(terms) terms",
    ])
  }

  package var laws: Laws { Laws(.rotates) }

  package var cost: Cost {
    let size = Double(blockSize ?? 0)
    return Cost(
      perElement: size + Cost.loop,
      ahead: Double(generator.shape.first ?? 0) * size * size
        * (size * Double(max(4, terms)) + Cost.loop))
  }

  package var measurable: Measurable { .operands }

  package var lowRank: (any LowRankKind)? { nil }

  package var layerKind: (any LayerKind)? { nil }

  package func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] {
    let size = blockSize ?? 1
    let values: [Double] = try operands.values(generator)
    let width = generator.shape[1]
    var blocks: [SquareMatrix] = []
    for block in 0..<generator.shape[0] {
      var skew = try SquareMatrix(size: size)
      var place = block * width
      for row in 0..<size {
        for column in row + 1..<max(row + 1, size) {
          skew[row, column] = values[place]
          skew[column, row] = -values[place]
          place += 1
        }
      }
      if let radius, skew.norm > radius { skew = skew.scaled(by: radius / skew.norm) }
      let rotation = terms == 0 ? skew.cayley : skew.cayleySeries(terms: terms)
      blocks.append(try rotation.existing(at: target))
    }
    return [
      .transforms(
        BlockRotationChange<Scalar>(
          factors: [try .init(blocks)], size: size, rowScale: nil))
    ]
  }
}
