internal import Operations

/// The Gram matrices of the factors of two products, for comparisons at high ranks: half the work of a QR, but with the
/// rounding of squares.
struct PairGrams {
  /// [B₁ B₂]ᵀ · [B₁ B₂], its upper triangle.
  let outputs: DenseMatrix
  /// [A₁ᵀ A₂ᵀ]ᵀ · [A₁ᵀ A₂ᵀ], its upper triangle.
  let inputs: DenseMatrix
  /// Rows of B₁ and B₂.
  let outputCount: Int
  /// Columns of A₁ and A₂.
  let inputCount: Int
  /// Columns of B₁.
  let leftRank: Int
  /// Columns of B₂.
  let rightRank: Int

  /// Below this many columns a QR takes no time.
  private static let smallestRank = 96

  /// Nil where the ranks are low.
  init?(_ left: FactoredMatrix, _ right: FactoredMatrix) {
    guard left.rank > 0, right.rank > 0, left.rank + right.rank >= Self.smallestRank else {
      return nil
    }
    let (left, right) = (left.reduced, right.reduced)
    let both = left.adding(right)
    (outputs, inputs) = (both.b.gram, both.a.gram)
    (outputCount, inputCount) = (both.b.rows, both.a.rows)
    (leftRank, rightRank) = (left.rank, right.rank)
  }

  /// ⟨B₁ A₁, B₂ A₂⟩ = Σ (B₁ᵀ B₂) ⊙ (A₁ A₂ᵀ), and the squares; nil where so much cancels that rounding shows.
  var sums: PairSums? {
    var (xx, xy, yy, size) = (0.0, 0.0, 0.0, 0.0)
    for column in 0..<outputs.columns {
      for row in 0...column {
        // Both triangles are the same.
        let count = row == column ? 1.0 : 2
        let term = count * outputs[row, column] * inputs[row, column]
        size += abs(term)
        switch (row < leftRank, column < leftRank) {
        case (true, true): xx += term
        case (false, false): yy += term
        default: xy += term / 2
        }
      }
    }
    let difference = xx - 2 * xy + yy
    let rounding = size * Double(outputs.columns) * Double.ulpOfOne
    guard xx.isFinite, yy.isFinite, rounding <= Self.accuracy * min(difference, xx, yy) else {
      return nil
    }
    return PairSums(left: xx, right: yy, difference: difference, product: xy)
  }

  /// The share of ‖X − Y‖² up to which rounding may change it.
  private static let accuracy = 1e-9

  /// The angles; nil where a product may have less than its factors' rank, or rounding would show.
  var angles: PairAngles? {
    guard let outputs = Bases(outputs, leftRank), let inputs = Bases(inputs, leftRank),
      let outputAngles = outputs.angles(in: outputCount),
      let inputAngles = inputs.angles(in: inputCount)
    else { return nil }
    return PairAngles(outputs: outputAngles, inputs: inputAngles)
  }
}

/// Two bases, X and Y, by G = [X Y]ᵀ · [X Y].
private struct Bases {
  private let mixed: DenseMatrix
  private let left: DenseMatrix
  private let right: DenseMatrix

  /// Rounding in a basis grows with the square of its condition.
  private static let condition = 1.0 / 300
  /// The largest cosine that tells its angle.
  private static let cosine = 0.995

  /// Nil where a basis is nearly dependent.
  init?(_ gram: DenseMatrix, _ leftRank: Int) {
    let (first, second) = (0..<leftRank, leftRank..<gram.columns)
    guard let left = gram.block(first, first).cholesky,
      let right = gram.block(second, second).cholesky,
      min(left.triangleReciprocalCondition, right.triangleReciprocalCondition) > Self.condition
    else { return nil }
    (self.left, self.right) = (left, right)
    mixed = gram.block(first, second)
  }

  /// With X = Q · L and Y = P · R, the cosines are the singular values of Qᵀ · P = L⁻ᵀ · (Xᵀ Y) · R⁻¹.
  func angles(in dimension: Int) -> PrincipalAngles? {
    let smaller = min(mixed.rows, mixed.columns)
    // One of the spaces is all that there is.
    guard max(mixed.rows, mixed.columns) < dimension else {
      return PrincipalAngles(values: Array(repeating: 0, count: smaller))
    }
    guard let cosines = mixed.between(left, right).singularValues, let largest = cosines.first,
      largest < Self.cosine
    else { return nil }
    return PrincipalAngles(cosines: cosines)
  }
}
