internal import RealModule
internal import StrictJSON

/// BLOOM (arXiv:2211.05100): no positions but ALiBi's slopes, a normalisation after the embedding, queries,
/// keys and values of a head beside each other.
struct BLOOM: Decoder {
  let dimensions: DecoderDimensions
  let embedding: StoredMatrix
  let head: LinearLayer
  private let embeddingNorm: LayerNorm
  private let layers: [Layer]
  private let finalNorm: LayerNorm
  private let attention: Attention
  private let addsNormed: Bool

  private struct Layer {
    let attentionNorm: LayerNorm
    let queryKeyValue: LinearLayer
    let output: LinearLayer
    let feedForwardNorm: LayerNorm
    let up: LinearLayer
    let down: LinearLayer
  }

  init(_ config: DecoderConfig, _ loader: inout WeightLoader) throws {
    let width = try config.neededCount("hidden_size", "n_embed")
    let headCount = try config.neededCount("n_head", "num_attention_heads")
    let layerCount = try config.neededCount("n_layer", "num_hidden_layers")
    try config.refuse("n_head", unless: width.isMultiple(of: headCount))
    let epsilon = Float(try config.number("layer_norm_epsilon") ?? 1e-5)
    addsNormed = try config.flag("apply_residual_connection_post_layernorm") ?? false
    embedding = try loader.embedding(
      "word_embeddings.weight", count: try config.neededCount("vocab_size"), width: width)
    embeddingNorm = try LayerNorm(&loader, "word_embeddings_layernorm", width, epsilon: epsilon)
    var layers: [Layer] = []
    for index in 0..<layerCount {
      let name = "h.\(index)."
      layers.append(
        Layer(
          attentionNorm: try LayerNorm(&loader, name + "input_layernorm", width, epsilon: epsilon),
          queryKeyValue: try loader.linear(
            name + "self_attention.query_key_value", from: width, to: 3 * width, bias: .needed),
          output: try loader.linear(
            name + "self_attention.dense", from: width, to: width, bias: .needed),
          feedForwardNorm: try LayerNorm(
            &loader, name + "post_attention_layernorm", width, epsilon: epsilon),
          up: try loader.linear(
            name + "mlp.dense_h_to_4h", from: width, to: 4 * width, bias: .needed),
          down: try loader.linear(
            name + "mlp.dense_4h_to_h", from: 4 * width, to: width, bias: .needed)))
    }
    self.layers = layers
    try loader.refuseMoreLayers("h.\(layerCount).input_layernorm.weight", config.path)
    finalNorm = try LayerNorm(&loader, "ln_f", width, epsilon: epsilon)
    head = try loader.head(embedding, isTied: try config.flag("tie_word_embeddings") ?? true)
    attention = Attention(
      headCount: headCount, scale: 1 / Float(width / headCount).squareRoot(),
      slopes: Self.slopes(headCount))
    dimensions = DecoderDimensions(
      layerCount: layerCount, hiddenSize: width, headCount: headCount,
      headDimension: width / headCount, vocabularySize: embedding.rows, positionCount: nil)
  }

  /// ALiBi's slopes (arXiv:2108.12409, section 3): powers of 2^(−8/n) for n heads, n a power of two; for
  /// others, those of the next lower one, and then every second of the next higher.
  static func slopes(_ headCount: Int) -> [Float] {
    let lower = 1 << (Int.bitWidth - 1 - headCount.leadingZeroBitCount)
    func powers(of count: Int) -> [Float] {
      (1...count).map { Float(Double.pow(2, -8 * Double($0) / Double(count))) }
    }
    let more = powers(of: 2 * lower).enumerated().filter { $0.offset.isMultiple(of: 2) }
    return powers(of: lower) + more.prefix(headCount - lower).map(\.element)
  }

  func run(_ x: FloatRows, _ pass: Pass) {
    pass.workspace.scope { x.copy(from: pass.apply(embeddingNorm, to: x)) }
    for (index, layer) in layers.enumerated() {
      pass.workspace.scope { run(layer, index, x, pass) }
    }
  }

  private func run(_ layer: Layer, _ index: Int, _ x: FloatRows, _ pass: Pass) {
    let size = dimensions.headDimension
    let normed = pass.apply(layer.attentionNorm, to: x)
    let mixed = pass.apply(layer.queryKeyValue, to: normed)
    let queries = pass.workspace.rows(x.count, x.width)
    for row in 0..<x.count {
      let all = unsafe queries[row]
      for head in 0..<dimensions.headCount {
        let own = unsafe UnsafeMutableBufferPointer(rebasing: all[head * size..<(head + 1) * size])
        unsafe own.copy(from: mixed[row], at: 3 * head * size)
      }
    }
    let seen = unsafe pass.attend(attention, queries, layer: index) { row, head, key, value in
      unsafe key.copy(from: mixed[row], at: (3 * head + 1) * size)
      unsafe value.copy(from: mixed[row], at: (3 * head + 2) * size)
    }
    let attended = pass.apply(layer.output, to: seen)
    attended.add(addsNormed ? normed : x)
    x.copy(from: attended)
    let second = pass.apply(layer.feedForwardNorm, to: x)
    let inner = pass.apply(layer.up, to: second)
    Functions.tanhGELU(inner)
    let fed = pass.apply(layer.down, to: inner)
    fed.add(addsNormed ? second : x)
    x.copy(from: fed)
  }

  func normalise(_ x: FloatRows, _ pass: Pass) -> FloatRows { pass.apply(finalNorm, to: x) }
}

extension DecoderKind {
  /// BLOOM.
  static let bloom = DecoderKind(
    modelTypes: [("bloom", endTokens: [2])], prefix: "transformer.",
    embeddingName: "word_embeddings.weight",
    linearLayers: [
      "self_attention.query_key_value", "self_attention.dense", "mlp.dense_h_to_4h",
      "mlp.dense_4h_to_h",
    ]
  ) { (config, loader) throws in try BLOOM(config, &loader) }
}
