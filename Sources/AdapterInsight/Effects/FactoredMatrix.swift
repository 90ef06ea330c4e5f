internal import Operations

/// A change of a weight as a product: ΔW = B · A, [out, in], never written out.
///
/// With B = Q_B · R_B and Aᵀ = Q_A · R_A (QR), ΔW = Q_B · (R_B · R_Aᵀ) · Q_Aᵀ: its norms and singular values
/// are those of the small core R_B · R_Aᵀ. The work is linear in out + in.
struct FactoredMatrix: Sendable {
  /// B, [out, k].
  let b: DenseMatrix
  /// Aᵀ, [in, k].
  let a: DenseMatrix

  /// The factors of scale · B · A.
  init(_ factors: LowRankFactors<Double>) {
    b = DenseMatrix(rows: factors.outputCount, columns: factors.rank, byRows: factors.b)
    // A by rows is Aᵀ by columns.
    var transposed = DenseMatrix(
      rows: factors.inputCount, columns: factors.rank, values: factors.a)
    if factors.scale != 1 { transposed.scale(by: factors.scale) }
    a = transposed
  }

  init(b: DenseMatrix, a: DenseMatrix) {
    self.b = b
    self.a = a
  }

  /// k.
  var rank: Int { b.columns }

  /// Returns true if both are changes of the same weight. One of rank 0 fits any.
  func hasSameShape(as other: FactoredMatrix) -> Bool {
    rank == 0 || other.rank == 0 || (b.rows == other.b.rows && a.rows == other.a.rows)
  }

  /// The same change with a k that is at most out and in: a factor that is wider than high is multiplied into the other.
  var reduced: FactoredMatrix {
    var result = self
    if result.b.rows < result.rank {
      result = FactoredMatrix(
        b: .identity(b.rows), a: result.a.times(result.b, otherTransposed: true))
    }
    if result.a.rows < result.rank {
      result = FactoredMatrix(
        b: result.b.times(result.a, otherTransposed: true), a: .identity(a.rows))
    }
    return result
  }

  /// The sum of both changes.
  func adding(_ other: FactoredMatrix) -> FactoredMatrix {
    guard rank > 0 else { return other }
    guard other.rank > 0 else { return self }
    return FactoredMatrix(b: b.beside(other.b), a: a.beside(other.a))
  }

  /// B · A.
  var product: DenseMatrix { b.times(a, otherTransposed: true) }

  /// R_B · R_Aᵀ.
  var core: DenseMatrix { b.triangle.times(a.triangle, otherTransposed: true) }
}

/// Two changes of one weight in bases that they share: as small as their ranks together, and with all
/// norms, products and angles of the large matrices.
struct SharedCores {
  let leftFactors: FactoredMatrix
  let rightFactors: FactoredMatrix

  /// By QR of the factors side by side.
  init(_ left: FactoredMatrix, _ right: FactoredMatrix) {
    let sum = left.adding(right)
    let (outputs, inputs) = (sum.b.triangle, sum.a.triangle)
    func part(_ columns: Range<Int>) -> FactoredMatrix {
      FactoredMatrix(b: outputs.columns(columns), a: inputs.columns(columns))
    }
    leftFactors = part(0..<left.rank)
    rightFactors = part(left.rank..<left.rank + right.rank)
  }

  var left: DenseMatrix { leftFactors.product }
  var right: DenseMatrix { rightFactors.product }
}
