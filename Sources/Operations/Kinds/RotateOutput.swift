package import AdapterFormat
internal import Storage
package import StrictJSON

/// Pairs of outputs, and of the bias beside the weight, rotated and scaled (Spec/adp-v1.md, section
/// 8.19; RoAd, arXiv:2409.00119).
public struct RotateOutput: Sendable, Hashable {
  /// The weight.
  public var weight: Target
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
    weight: Target, theta: TypedOperand, alpha: TypedOperand, variant: Variant, groupSize: Int
  ) {
    self.weight = weight
    self.theta = theta
    self.alpha = alpha
    self.variant = variant
    self.groupSize = groupSize
  }
}

extension RotateOutput: WeightPayload {
  package static let op = "rotate_output"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (
    ["theta", "alpha"], ["variant", "group"]
  )

  /// Outputs of the weight.
  package var outputCount: Int { theta.count / variant.angles * 2 }

  package var extent: Extent { .matrix(output: outputCount, input: nil) }

  package init(_ fields: OperationFields) throws(FormatError) {
    weight = try fields.target()
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

  package var operation: Operation { .rotateOutput(self) }
}
