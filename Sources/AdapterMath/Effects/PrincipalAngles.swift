internal import Foundation

/// The angles between two subspaces (Björck and Golub, Math. Comp. 27, 1973).
public struct PrincipalAngles: Sendable, Hashable {
  /// In radians, from the smallest up; as many as the smaller space has dimensions.
  public let values: [Double]

  /// Σ cos² θ / their number: 1 where one space holds the other, 0 where they are orthogonal (the φ of
  /// arXiv:2106.09685, section 7.2, with all directions).
  public var overlap: Double {
    guard !values.isEmpty else { return 0 }
    return values.reduce(0) { $0 + cos($1) * cos($1) } / Double(values.count)
  }

  /// From orthonormal bases by columns.
  init?(_ left: DenseMatrix, _ right: DenseMatrix) {
    let count = min(left.columns, right.columns)
    guard count > 0 else { return nil }
    let (large, small) = left.columns >= right.columns ? (left, right) : (right, left)
    let cosines = large.times(small, transposed: true)
    // A cosine near 1 says little of its angle: for small angles the sine decides, from what of the
    // smaller space is outside of the larger.
    let outside = small - large.times(cosines)
    guard let near = outside.singularValues, let far = cosines.singularValues else { return nil }
    values = (0..<count).map { index in
      let (cosine, sine) = (min(1, far[index]), min(1, near[near.count - 1 - index]))
      return cosine * cosine > 0.5 ? asin(sine) : acos(cosine)
    }
  }
}

func naturalLogarithm(_ value: Double) -> Double { log(value) }
func exponential(_ value: Double) -> Double { exp(value) }
func hypotenuse(_ x: Double, _ y: Double) -> Double { hypot(x, y) }
