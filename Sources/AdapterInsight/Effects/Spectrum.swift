internal import Operations

/// The singular values of a change of a weight, and what they say of it.
public struct Spectrum: Sendable, Hashable {
  /// σ₁ ≥ σ₂ ≥ …: as many as the change's form allows, the last ones zero where it does not use them.
  public let values: [Double]

  init(_ values: [Double]) {
    self.values = values
  }

  /// ‖ΔW‖₂ = σ₁.
  public var spectralNorm: Double { values.first ?? 0 }

  /// ‖ΔW‖_F² / ‖ΔW‖₂² (Rudelson and Vershynin, J. ACM 54(4), 2007): at least 1; 0 for no change.
  public var stableRank: Double {
    guard spectralNorm > 0 else { return 0 }
    return values.reduce(0) { $0 + ($1 / spectralNorm) * ($1 / spectralNorm) }
  }

  /// exp H(σ / Σσ), where H is Shannon's entropy (Roy and Vetterli, EUSIPCO 2007): from 1 to the number
  /// of values; 0 for no change.
  public var effectiveRank: Double {
    let sum = values.reduce(0, +)
    guard sum > 0 else { return 0 }
    let entropy = values.reduce(0) { entropy, value in
      let share = value / sum
      return share > 0 ? entropy - share * naturalLogarithm(share) : entropy
    }
    return exponential(entropy)
  }

  /// How many of the largest hold this share of ‖ΔW‖_F².
  public func rank(holding share: Double) -> Int {
    let total = values.reduce(0) { $0 + $1 * $1 }
    guard total > 0 else { return 0 }
    var sum = 0.0
    for (index, value) in values.enumerated() {
      sum += value * value
      if sum >= share * total { return index + 1 }
    }
    return values.count
  }
}
