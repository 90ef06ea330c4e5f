/// Layer normalisation with a weight and a bias.
struct LayerNorm: Sendable {
  let weight: ModelVector
  let bias: ModelVector
  let epsilon: Float

  init(
    _ loader: inout WeightLoader, _ module: String, _ width: Int, epsilon: Float
  ) throws {
    weight = try loader.vector(module + ".weight", width)
    bias = try loader.vector(module + ".bias", width)
    self.epsilon = epsilon
  }
}

extension Pass {
  /// The rows normalised.
  func apply(_ norm: LayerNorm, to x: FloatRows) -> FloatRows {
    let result = workspace.rows(x.count, x.width)
    forEachRow { row, segment, _ in
      unsafe Functions.layerNorm(
        x[row], weight: segment.values(of: norm.weight), bias: segment.values(of: norm.bias),
        epsilon: norm.epsilon, into: result[row])
    }
    return result
  }
}
