internal import Operations

/// The sums of a comparison of two products of high rank, from the Gram matrices of their factors: half the
/// work of a QR, but with the rounding of squares.
///
/// ⟨B₁ A₁, B₂ A₂⟩ = Σ (B₁ᵀ B₂) ⊙ (A₁ A₂ᵀ).
struct GramSums {
  let sums: PairSums

  /// Below this many columns a QR takes no time.
  private static let smallestRank = 96
  /// The share of ‖X − Y‖² up to which rounding may change it.
  private static let accuracy = 1e-9

  /// Nil where the ranks are low, or where so much cancels that rounding shows.
  init?(_ left: FactoredMatrix, _ right: FactoredMatrix) {
    guard left.rank > 0, right.rank > 0, left.rank + right.rank >= Self.smallestRank else {
      return nil
    }
    let both = left.adding(right)
    let (outputs, inputs) = (both.b.gram, both.a.gram)
    var (xx, xy, yy, size) = (0.0, 0.0, 0.0, 0.0)
    for column in 0..<outputs.columns {
      for row in 0...column {
        // Both triangles are the same.
        let count = row == column ? 1.0 : 2
        let term = count * outputs[row, column] * inputs[row, column]
        size += abs(term)
        switch (row < left.rank, column < left.rank) {
        case (true, true): xx += term
        case (false, false): yy += term
        default: xy += term / 2
        }
      }
    }
    let difference = xx - 2 * xy + yy
    let rounding = size * Double(both.rank) * Double.ulpOfOne
    guard xx.isFinite, yy.isFinite, rounding <= Self.accuracy * min(difference, xx, yy) else {
      return nil
    }
    sums = PairSums(left: xx, right: yy, difference: difference, product: xy)
  }
}
