internal import AdapterFormat
internal import Operations
internal import Storage

/// How far apart two parts of effects on one parameter are.
public struct PartComparison: Sendable, Hashable {
  /// The quantity that was compared.
  public let space: EffectSpace
  /// ‖left‖_F.
  public let leftNorm: Double
  /// ‖right‖_F.
  public let rightNorm: Double
  /// ‖left − right‖_F.
  public let distance: Double
  /// ⟨left, right⟩ / (‖left‖ · ‖right‖); nil where either is zero.
  public let cosine: Double?
  /// Between what both add to the outputs (column spaces), where that was asked for.
  public let outputAngles: PrincipalAngles?
  /// Between the inputs that both look at (row spaces), where that was asked for.
  public let inputAngles: PrincipalAngles?

  /// The distance as a share of the larger norm: 0 for two zeros.
  public var relativeDistance: Double {
    let larger = max(leftNorm, rightNorm)
    return distance == 0 ? 0 : larger.isFinite ? distance / larger : .nan
  }

  package init(_ space: EffectSpace, _ sums: PairSums) {
    self.init(space, sums, angles: nil)
  }

  /// Several changes of weights as one; nil where there are none.
  package init?(summing parts: [PartComparison]) {
    guard !parts.isEmpty else { return nil }
    var sums = PairSums()
    for part in parts { sums.add(part) }
    self.init(.weight, sums)
  }

  init(_ space: EffectSpace, _ sums: PairSums, angles: PairAngles?) {
    self.space = space
    leftNorm = sums.left.squareRoot()
    rightNorm = sums.right.squareRoot()
    // Squares that vanish, or overflow, say nothing of what they are squares of.
    let isKnown = sums.difference.isFinite && (sums.difference > 1e-290 || !sums.hasDifference)
    distance = isKnown ? sums.difference.squareRoot() : .nan
    let size = leftNorm * rightNorm
    // Rounding may carry it a little beyond 1.
    cosine = size > 0 ? max(-1, min(1, sums.product / size)) : nil
    outputAngles = angles?.outputs
    inputAngles = angles?.inputs
  }
}

extension EffectPart {
  /// The comparison with another part; nil where they are of different kinds or shapes.
  ///
  /// - Throws: `FormatError` where operands cannot be read.
  func compared(
    to other: EffectPart, _ detail: EffectComparison.Detail
  ) throws -> PartComparison? {
    guard space == other.space, signature == other.signature else { return nil }
    switch (form, other.form) {
    case (.product(let left), .product(let right)):
      return Self.compare([left], [right], space, detail)
    case (.change(let left), .change(let right)):
      guard left.shape == right.shape, left.hasSameKernel(as: right) else { return nil }
      if let mine = left.factors, let theirs = right.factors, mine.count == theirs.count {
        return Self.compare(mine, theirs, space, detail)
      }
      let sums = try left.compared(to: right)
      guard detail == .angles, let mine = try left.dense(), let theirs = try right.dense() else {
        return PartComparison(space, sums)
      }
      return PartComparison(space, sums, angles: PairAngles(mine, theirs))
    case (.vectors(let left), .vectors(let right)):
      return try Self.compare(left, right).map { PartComparison(space, $0) }
    default: return nil
    }
  }

  private static func compare(
    _ left: [FactoredMatrix], _ right: [FactoredMatrix], _ space: EffectSpace,
    _ detail: EffectComparison.Detail
  ) -> PartComparison? {
    var sums = PairSums()
    var angles: PairAngles?
    for (left, right) in zip(left, right) {
      guard left.hasSameShape(as: right) else { return nil }
      if let grams = PairGrams(left, right), let quick = grams.sums {
        if detail == .angles { angles = grams.angles }
        if detail == .distances || angles != nil {
          sums.add(quick)
          continue
        }
      }
      let cores = SharedCores(left, right)
      sums.add(PairSums(left: cores.left, right: cores.right))
      if detail == .angles { angles = PairAngles(cores.leftFactors, cores.rightFactors) }
    }
    return PartComparison(space, sums, angles: left.count == 1 ? angles : nil)
  }

  private static func compare(
    _ left: [OperandVector], _ right: [OperandVector]
  ) throws -> PairSums? {
    guard left.count == right.count else { return nil }
    var sums = PairSums()
    for (left, right) in zip(left, right) {
      guard left.count == right.count, left.hasSameShape(as: right) else { return nil }
      guard left.operand.type.isFloat, right.operand.type.isFloat else {
        // Places are the same, or the operations are two different things.
        guard try left.hasSameBytes(as: right) else { return nil }
        continue
      }
      sums.add(try left.compared(to: right))
    }
    return sums
  }
}
