internal import CPlatform

/// Attention of one query to the positions before it, the cost of a token that grows with them.
enum SeenPositions {
  /// The kernels are for AVX2 with FMA.
  private static let hasKernels = platform_has_fma() != 0

  /// scores[p] = scale · query · keys[p].
  static func score(
    _ query: UnsafePointer<Float>, _ keys: UnsafePointer<Float>, count: Int, size: Int,
    scale: Float, into scores: UnsafeMutablePointer<Float>
  ) {
    guard !hasKernels || !size.isMultiple(of: 8) else {
      return unsafe platform_scores(query, keys, count, size, scale, scores)
    }
    for place in 0..<count {
      unsafe scores[place] = scale * DotProducts.dot(query, keys + place * size, size)
    }
  }

  /// result = Σ weights[p] · values[p].
  static func sum(
    _ weights: UnsafePointer<Float>, _ values: UnsafePointer<Float>, count: Int, size: Int,
    into result: UnsafeMutablePointer<Float>
  ) {
    guard !hasKernels || !size.isMultiple(of: 8) else {
      return unsafe platform_weighted_sum(weights, values, count, size, result)
    }
    unsafe result.update(repeating: 0, count: size)
    for place in 0..<count {
      unsafe DotProducts.add(values + place * size, times: weights[place], to: result, size)
    }
  }
}
