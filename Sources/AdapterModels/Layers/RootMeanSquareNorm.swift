/// Root mean square normalisation with a weight.
struct RootMeanSquareNorm: Sendable {
  let weight: ModelVector
  let epsilon: Float
  /// The value that the weight is a difference from: 0, or 1 with Gemma. It is added when the norm runs, so adapters
  /// see the weight as it is stored.
  let origin: Float
}

extension Pass {
  /// The rows normalised.
  func apply(_ norm: RootMeanSquareNorm, to x: FloatRows) -> FloatRows {
    let result = workspace.rows(x.count, x.width)
    forEachRow { row, segment, _ in
      unsafe Functions.rootMeanSquareNorm(
        x[row], weight: segment.values(of: norm.weight), origin: norm.origin,
        epsilon: norm.epsilon, into: result[row])
    }
    return result
  }

  /// Normalises every head of every row, in place.
  func apply(_ norm: RootMeanSquareNorm, toHeadsOf x: FloatRows) {
    let size = norm.weight.values.count
    forEachRow { row, segment, _ in
      let (weight, all) = unsafe (segment.values(of: norm.weight), x[row])
      for start in stride(from: 0, to: all.count, by: size) {
        let head = unsafe UnsafeMutableBufferPointer(rebasing: all[start..<start + size])
        unsafe Functions.rootMeanSquareNorm(
          head, weight: weight, origin: norm.origin, epsilon: norm.epsilon, into: head)
      }
    }
  }
}
