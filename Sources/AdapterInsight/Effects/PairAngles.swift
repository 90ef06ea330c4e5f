internal import Operations

/// The angles between the column spaces, and between the row spaces, of two matrices.
struct PairAngles {
  let outputs: PrincipalAngles
  let inputs: PrincipalAngles

  init(outputs: PrincipalAngles, inputs: PrincipalAngles) {
    (self.outputs, self.inputs) = (outputs, inputs)
  }

  /// Of products whose factors are in bases that both share.
  init?(_ left: FactoredMatrix, _ right: FactoredMatrix) {
    guard let left = Spaces(left), let right = Spaces(right) else { return nil }
    self.init(left, right)
  }

  /// Of matrices as they are.
  init?(_ left: DenseMatrix, _ right: DenseMatrix) {
    guard let left = Spaces(left), let right = Spaces(right) else { return nil }
    self.init(left, right)
  }

  private init?(_ left: Spaces, _ right: Spaces) {
    guard let outputs = PrincipalAngles(left.outputs, right.outputs),
      let inputs = PrincipalAngles(left.inputs, right.inputs)
    else { return nil }
    self.outputs = outputs
    self.inputs = inputs
  }
}

/// Orthonormal bases, by columns, of what a matrix writes to and of what it reads from.
private struct Spaces {
  let outputs: DenseMatrix
  let inputs: DenseMatrix

  /// Singular values below this share of the largest are rounding.
  private static let threshold = 1e-9
  /// A triangle of so good a condition has none of these, whatever its norm: LAPACK's estimate is seldom off by more than
  /// ten, and ‖·‖₁ from ‖·‖₂ by no more than the root of the size.
  private static let certainly = 1e-5

  /// With B = Q_B · R_B and Aᵀ = Q_A · R_A, B · A has the spaces of R_B · R_Aᵀ, seen through Q_B and Q_A.
  init?(_ product: FactoredMatrix) {
    let (b, a) = (product.b.factored, product.a.factored)
    guard let core = Spaces(b.r.times(a.r, otherTransposed: true)) else { return nil }
    outputs = b.q.times(core.outputs)
    inputs = a.q.times(core.inputs)
  }

  /// Where a matrix has the rank that its shape allows, its shorter side is the whole space, and QR finds the other: a
  /// small part of the work of the singular vectors, which have to say where a rank ends.
  init?(_ matrix: DenseMatrix) {
    let isWide = matrix.columns > matrix.rows
    let (basis, triangle) = (isWide ? matrix.transposed : matrix).factored
    if triangle.triangleReciprocalCondition > Self.certainly {
      let whole = DenseMatrix.identity(basis.columns)
      (outputs, inputs) = isWide ? (whole, basis) : (basis, whole)
      return
    }
    guard let (u, values, vt) = matrix.decomposition, let largest = values.first, largest > 0 else {
      return nil
    }
    let rank = values.prefix { $0 > Self.threshold * largest }.count
    (outputs, inputs) = (u.columns(0..<rank), vt.transposed.columns(0..<rank))
  }
}
