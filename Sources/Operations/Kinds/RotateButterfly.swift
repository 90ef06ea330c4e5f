package import AdapterFormat
package import Storage
package import StrictJSON

/// W ← s ⊙ W · M₀ᵀ · M₁ᵀ ⋯ with rotations in butterfly order (Spec/operations/RotateButterfly.md; BOFT,
/// arXiv:2311.06243).
public struct RotateButterfly: Sendable, Hashable {
  /// The weight.
  public var target: Target
  /// [f, n, b, b]: for each factor and block a matrix whose skew part counts.
  public var generators: TypedOperand
  /// s, `out` elements.
  public var rowScale: TypedOperand

  /// Makes a change.
  public init(target: Target, generators: TypedOperand, rowScale: TypedOperand) {
    self.target = target
    self.generators = generators
    self.rowScale = rowScale
  }
}

extension RotateButterfly: TargetedKind {
  package static let op = "rotate_butterfly"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (["r", "s"], [])

  package var extent: Extent {
    .matrix(output: rowScale.count, input: generators.shape[1] * generators.shape[2])
  }

  package init(_ fields: OperationFields) throws(FormatError) {
    target = try fields.target()
    generators = try fields.operand("r")
    rowScale = try fields.operand("s")
  }

  /// [BUT-1].
  package func fault() -> String? {
    let shape = generators.shape
    guard generators.type.isFloat, rowScale.type.isFloat, rowScale.isVector, shape.count == 4,
      shape[2] == shape[3], !shape.contains(0),
      !shape[1].multipliedReportingOverflow(by: shape[2]).overflow
    else { return "r \(shape) and s \(rowScale.shape) are not [f, n, b, b] and [out] of floats" }
    guard shape[0] > 1 else { return nil }
    // Factor i cuts runs of b · 2^i inputs.
    guard shape[0] <= 32, shape[2].isMultiple(of: 2),
      (shape[1] * shape[2]).isMultiple(of: shape[2] << (shape[0] - 1))
    else { return "\(shape[0]) factors do not divide \(shape[1]) blocks of \(shape[2])" }
    return nil
  }

  package var operands: [(role: Name, operand: Operand?)] {
    [("r", generators.operand), ("s", rowScale.operand)]
  }

  package var attributes: [(key: Name, value: JSONValue?)] { [] }

  package var summary: OperationSummary {
    OperationSummary(traits: ["\(generators.shape[0]) factors", "blocks of \(generators.shape[2])"])
  }

  package var laws: Laws { Laws(.rotates) }

  package var cost: Cost {
    let size = Double(generators.shape.last ?? 0)
    return Cost(
      perElement: Double(generators.shape.first ?? 0) * (size + Cost.loop),
      ahead: Double(generators.count) * (4 * size + Cost.loop))
  }

  package var measurable: Measurable { .operands }

  package var lowRank: (any LowRankKind)? { nil }

  package var layerKind: (any LayerKind)? { nil }

  package func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] {
    let shape = generators.shape
    let (count, size) = (shape[1], shape[2])
    let values: [Double] = try operands.values(generators)
    var factors: [BlockRotationChange<Scalar>.Factor] = []
    for factor in 0..<shape[0] {
      var blocks: [SquareMatrix] = []
      for block in 0..<count {
        let start = (factor * count + block) * size * size
        var skew = try SquareMatrix(size: size)
        for row in 0..<size {
          for column in 0..<size {
            skew[row, column] =
              (values[start + row * size + column] - values[start + column * size + row]) / 2
          }
        }
        blocks.append(try skew.cayley.existing(at: target))
      }
      let order = factor == 0 ? nil : Self.order(factor, inputs: count * size, blockSize: size)
      factors.append(try .init(blocks, order: order))
    }
    return [
      .transforms(
        BlockRotationChange(
          factors: factors, size: size, rowScale: try operands.values(rowScale)))
    ]
  }

  /// Inside every run of b · 2^i inputs, cut into parts of b / 2: the even parts first, then the odd ones.
  /// Gives for each part the place where it is rotated.
  private static func order(_ factor: Int, inputs: Int, blockSize: Int) -> RunOrder {
    let (half, parts) = (blockSize / 2, 2 << factor)
    let targets = (0..<inputs / half).map { place in
      let part = place % parts
      return place - part + (part < parts / 2 ? 2 * part : 2 * (part - parts / 2) + 1)
    }
    return RunOrder(length: half, targets: targets)
  }
}
