internal import Operations
internal import RealModule

/// The angles between two subspaces (Björck and Golub, Math. Comp. 27, 1973).
public struct PrincipalAngles: Sendable, Hashable {
  /// In radians, from the smallest up; as many as the smaller space has dimensions.
  public private(set) var values: [Double]

  /// A rounding of a cosine up to this one makes no more than fifty of its angle.
  private static let largestCosine = 0.9998

  /// Σ cos² θ / their number: 1 where one space holds the other, 0 where they are orthogonal (the φ of
  /// arXiv:2106.09685, section 7.2, with all directions).
  public var overlap: Double {
    guard !values.isEmpty else { return 0 }
    return values.reduce(0) { $0 + Double.cos($1) * Double.cos($1) } / Double(values.count)
  }

  init(values: [Double]) { self.values = values }

  /// From their cosines, the largest first.
  init(cosines: [Double]) {
    self.init(values: cosines.map { Double.acos(min(1, $0)) })
  }

  /// From orthonormal bases by columns.
  init?(_ left: DenseMatrix, _ right: DenseMatrix) {
    let count = min(left.columns, right.columns)
    guard count > 0 else { return nil }
    let (large, small) = left.columns >= right.columns ? (left, right) : (right, left)
    let cosines = large.times(small, transposed: true)
    guard let far = cosines.singularValues else { return nil }
    let smallAngles = far.prefix { $0 > Self.largestCosine }.count
    self.init(cosines: far)
    guard smallAngles > 0 else { return }
    // A cosine near 1 says little of its angle: for small angles the sine decides, from what of the
    // smaller space is outside of the larger.
    guard let near = (small - large.times(cosines)).singularValues else { return nil }
    for (index, sine) in near.reversed().prefix(smallAngles).enumerated() {
      values[index] = Double.asin(min(1, sine))
    }
  }
}

func naturalLogarithm(_ value: Double) -> Double { Double.log(value) }
func exponential(_ value: Double) -> Double { Double.exp(value) }
func hypotenuse(_ x: Double, _ y: Double) -> Double { Double.hypot(x, y) }
