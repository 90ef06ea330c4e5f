internal import StrictJSON

/// A vector of a model: a bias or a norm's weight. Adapters may put another in its place.
struct ModelVector: Sendable {
  let name: Name
  /// Its place among the model's vectors.
  let index: Int
  let values: [Float]
}

/// A linear layer, y = W x + b. Adapters may act beside its weight.
struct LinearLayer: Sendable {
  /// Its weight's name in the checkpoint.
  let name: Name
  /// Its place among the model's layers; nil for one whose weight is also the embedding.
  let index: Int?
  let weight: StoredMatrix
  let bias: ModelVector?
}

extension Pass {
  /// The layers' outputs for the same rows, with what each sequence's adapters do to them.
  func apply(_ layers: [LinearLayer], to x: FloatRows) -> [FloatRows] {
    let results = layers.map { workspace.rows(x.count, $0.weight.rows) }
    let parts = zip(layers, results).map { MatrixProducts.Part(weight: $0.weight, result: $1) }
    let scaled = layers.indices.filter { index in
      segments.contains { $0.program(layers[index])?.inputScale != nil }
    }
    let plain = parts.indices.filter { !scaled.contains($0) }.map { parts[$0] }
    if !plain.isEmpty { MatrixProducts.run(plain, x, workspace) }
    for index in scaled {
      let input = scaledInput(x, of: layers[index])
      MatrixProducts.run([parts[index]], input, workspace)
    }
    for (layer, result) in zip(layers, results) { finish(layer, x, result) }
    return results
  }

  /// Returns the outputs of layers, or of one layer in their place, for the same rows, in parts of these widths.
  func apply(_ layers: [LinearLayer], to x: FloatRows, asWidths widths: [Int]) -> [FloatRows] {
    let results = apply(layers, to: x)
    guard results.count != widths.count, let all = results.first else { return results }
    var start = 0
    return widths.map { width in
      let part = workspace.rows(all.count, width)
      for row in 0..<all.count { unsafe part[row].copy(from: all[row], at: start) }
      start += width
      return part
    }
  }

  /// The output of one layer.
  func apply(_ layer: LinearLayer, to x: FloatRows) -> FloatRows { apply([layer], to: x)[0] }

  /// The rows as the layer's weight sees them, where adapters scale its inputs.
  private func scaledInput(_ x: FloatRows, of layer: LinearLayer) -> FloatRows {
    let input = workspace.rows(x.count, x.width)
    input.copy(from: x)
    for segment in segments {
      guard let factors = segment.program(layer)?.inputScale else { continue }
      for row in segment.rows { unsafe input[row].multiply(by: factors) }
    }
    return input
  }

  /// Applies the adapters' changes and the bias after the product.
  private func finish(_ layer: LinearLayer, _ x: FloatRows, _ result: FloatRows) {
    for segment in segments {
      if let program = segment.program(layer) {
        program.run(x[segment.rows], result[segment.rows], workspace)
      }
      guard let bias = layer.bias else { continue }
      let values = segment.values(of: bias)
      for row in segment.rows { unsafe result[row].add(values) }
    }
  }
}

extension UnsafeMutableBufferPointer<Float> {
  /// Multiplies every element with that of another row.
  func multiply(by factors: [Float]) {
    unsafe factors.withUnsafeBufferPointer { factors in
      for index in 0..<Swift.min(count, factors.count) { unsafe self[index] *= factors[index] }
    }
  }

  /// Adds another row.
  func add(_ values: [Float]) {
    unsafe values.withUnsafeBufferPointer { values in
      for index in 0..<Swift.min(count, values.count) { unsafe self[index] += values[index] }
    }
  }
}
