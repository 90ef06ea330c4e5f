package import AdapterFormat
internal import RealModule
package import Storage
package import StrictJSON

/// Pairs of outputs, and of the bias beside the weight, rotated and scaled (Spec/operations/RotateOutput.md; RoAd, arXiv:2409.00119).
public struct RotateOutput: Sendable, Hashable {
  /// The weight.
  public var target: Target
  /// θ, angles.
  public var theta: TypedOperand
  /// α, factors, as many.
  public var alpha: TypedOperand
  /// How many angles a pair has.
  public var variant: Variant
  /// Outputs of a group; a pair is half a group apart.
  public var groupSize: Int

  /// How the angles are shared.
  public enum Variant: String, Sendable, Hashable, CaseIterable {
    /// One for both outputs of a pair.
    case road1 = "road_1"
    /// One for each output.
    case road2 = "road_2"
    /// Two for each output: one for the cosine, one for the sine.
    case road4 = "road_4"

    /// Angles of a pair.
    package var angles: Int {
      switch self {
      case .road1: 1
      case .road2: 2
      case .road4: 4
      }
    }
  }

  /// Makes a change.
  public init(
    target: Target, theta: TypedOperand, alpha: TypedOperand, variant: Variant, groupSize: Int
  ) {
    self.target = target
    self.theta = theta
    self.alpha = alpha
    self.variant = variant
    self.groupSize = groupSize
  }
}

extension RotateOutput: TargetedKind {
  package static let op = "rotate_output"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (
    ["theta", "alpha"], ["variant", "group"]
  )

  /// Outputs of the weight.
  package var outputCount: Int { theta.count / variant.angles * 2 }

  package var extent: Extent { .matrix(output: outputCount, input: nil) }

  package init(_ fields: OperationFields) throws(FormatError) {
    target = try fields.target()
    theta = try fields.operand("theta")
    alpha = try fields.operand("alpha")
    variant = try fields.word("variant")
    groupSize = try fields.optionalCount("group") ?? 0
  }

  /// [TUR-1].
  package func fault() -> String? {
    guard theta.type.isFloat, alpha.type.isFloat, theta.shape.count == 1,
      theta.shape == alpha.shape,
      groupSize > 0, groupSize.isMultiple(of: 2)
    else { return "theta \(theta.shape) and alpha \(alpha.shape) are not vectors, or group is odd" }
    return theta.count.isMultiple(of: groupSize / 2 * variant.angles)
      ? nil : "theta \(theta.shape) is not a whole number of groups"
  }

  package var operands: [(role: Name, operand: Operand?)] {
    [("theta", theta.operand), ("alpha", alpha.operand)]
  }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("variant", .string(variant.rawValue)), ("group", .count(groupSize))]
  }

  package var summary: OperationSummary {
    OperationSummary(traits: [variant.rawValue, "groups of \(groupSize)"])
  }

  package var laws: Laws {
    var laws = Laws(.rotates)
    laws.biasCount = outputCount
    laws.rowAlignment = groupSize
    return laws
  }

  package var cost: Cost { .loop() }

  package var measurable: Measurable { .operands }

  package var lowRank: (any LowRankKind)? { nil }

  package var layerKind: (any LayerKind)? { nil }

  package func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] {
    let (angles, factors): ([Double], [Double]) = (
      try operands.values(theta), try operands.values(alpha)
    )
    let rows = 0..<outputCount
    let cosines = rows.map { row in
      let place = place(row, sine: false)
      return Scalar(factors[place] * Double.cos(angles[place]))
    }
    let sines = rows.map { row in
      let place = place(row, sine: true)
      return Scalar(factors[place] * Double.sin(angles[place]))
    }
    return [
      .transforms(RotateOutputChange(cosines: cosines, sines: sines, half: groupSize / 2))
    ]
  }

  /// Where a row's angle is; `sine` chooses between the two that `road_4` has.
  private func place(_ row: Int, sine: Bool) -> Int {
    let half = groupSize / 2
    let (group, side, pair) = (row / groupSize, row % groupSize / half, row % half)
    return switch variant {
    case .road1: group * half + pair
    case .road2: group * groupSize + side * half + pair
    case .road4: (group * 2 + (sine ? 1 : 0)) * groupSize + side * half + pair
    }
  }
}

/// Rows half a group apart, as pairs: (x, y) ← (c₁ x − s₁ y, c₂ y + s₂ x).
private struct RotateOutputChange<Scalar: ComputeScalar>: TileChange {
  /// α · cos θ and α · sin θ for every row.
  let cosines: [Scalar]
  let sines: [Scalar]
  let half: Int

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func apply(to tile: inout Tile<Scalar>) {
    for (index, row) in tile.rows.enumerated() where row % (2 * half) < half {
      let (cosine, sine) = ((cosines[row], cosines[row + half]), (sines[row], sines[row + half]))
      for column in 0..<tile.columns {
        let (upper, lower) = (index * tile.columns + column, (index + half) * tile.columns + column)
        let (x, y) = (tile.values[upper], tile.values[lower])
        tile.values[upper] = cosine.0 * x - sine.0 * y
        tile.values[lower] = cosine.1 * y + sine.1 * x
      }
    }
  }
}
