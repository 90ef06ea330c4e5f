internal import StrictJSON

/// GPT-2 (Radford et al., 2019, "Language Models are Unsupervised Multitask Learners"): learned positions,
/// layer normalisation before each part, weights stored [in, out].
struct GPT2: Decoder {
  let dimensions: DecoderDimensions
  let embedding: StoredMatrix
  let head: LinearLayer
  private let positions: StoredMatrix
  private let layers: [Layer]
  private let finalNorm: LayerNorm
  private let activation: Activation

  private struct Layer {
    let attentionNorm: LayerNorm
    let queryKeyValue: LinearLayer
    let attention: Attention
    let output: LinearLayer
    let feedForwardNorm: LayerNorm
    let up: LinearLayer
    let down: LinearLayer
  }

  init(_ config: DecoderConfig, _ loader: inout WeightLoader) throws {
    let width = try config.neededCount("n_embd")
    let headCount = try config.neededCount("n_head")
    let layerCount = try config.neededCount("n_layer")
    let positionCount = try config.neededCount("n_positions", "n_ctx")
    let inner = try config.count("n_inner") ?? 4 * width
    try config.refuse("n_head", unless: width.isMultiple(of: headCount))
    try config.refuse("add_cross_attention", unless: try config.flag("add_cross_attention") != true)
    activation = try Activation(config, "activation_function")
    let epsilon = Float(try config.number("layer_norm_epsilon") ?? 1e-5)
    embedding = try loader.embedding(
      "wte.weight", count: try config.neededCount("vocab_size"), width: width)
    positions = try loader.matrix("wpe.weight", positionCount, width)
    let isScaled = try config.flag("scale_attn_weights") ?? true
    let isScaledByLayer = try config.flag("scale_attn_by_inverse_layer_idx") ?? false
    var layers: [Layer] = []
    for index in 0..<layerCount {
      let base = isScaled ? 1 / Float(width / headCount).squareRoot() : 1
      let attention = Attention(
        headCount: headCount, scale: isScaledByLayer ? base / Float(index + 1) : base, slopes: nil)
      let name = "h.\(index)."
      layers.append(
        Layer(
          attentionNorm: try LayerNorm(&loader, name + "ln_1", width, epsilon: epsilon),
          queryKeyValue: try loader.linear(
            name + "attn.c_attn", from: width, to: 3 * width, .byInput, bias: .needed),
          attention: attention,
          output: try loader.linear(
            name + "attn.c_proj", from: width, to: width, .byInput, bias: .needed),
          feedForwardNorm: try LayerNorm(&loader, name + "ln_2", width, epsilon: epsilon),
          up: try loader.linear(name + "mlp.c_fc", from: width, to: inner, .byInput, bias: .needed),
          down: try loader.linear(
            name + "mlp.c_proj", from: inner, to: width, .byInput, bias: .needed)))
    }
    self.layers = layers
    try loader.refuseMoreLayers("h.\(layerCount).ln_1.weight", config.path)
    finalNorm = try LayerNorm(&loader, "ln_f", width, epsilon: epsilon)
    head = try loader.head(embedding, isTied: try config.flag("tie_word_embeddings") ?? true)
    dimensions = DecoderDimensions(
      layerCount: layerCount, hiddenSize: width, headCount: headCount,
      headDimension: width / headCount, vocabularySize: embedding.rows,
      positionCount: positionCount)
  }

  func run(_ x: FloatRows, _ pass: Pass) {
    pass.workspace.scope {
      let embedded = pass.workspace.rows(1, x.width)
      pass.forEachRow { row, _, position in
        unsafe positions.widen(position..<position + 1, into: embedded[0])
        x[row..<row + 1].add(embedded)
      }
    }
    for (index, layer) in layers.enumerated() {
      pass.workspace.scope { run(layer, index, x, pass) }
    }
  }

  private func run(_ layer: Layer, _ index: Int, _ x: FloatRows, _ pass: Pass) {
    let width = x.width
    let normed = pass.apply(layer.attentionNorm, to: x)
    let mixed = pass.apply(layer.queryKeyValue, to: normed)
    let queries = pass.workspace.rows(x.count, width)
    for row in 0..<x.count {
      unsafe queries[row].copy(from: mixed[row], at: 0)
    }
    let size = dimensions.headDimension
    let seen = unsafe pass.attend(layer.attention, queries, layer: index) { row, head, key, value in
      unsafe key.copy(from: mixed[row], at: width + head * size)
      unsafe value.copy(from: mixed[row], at: 2 * width + head * size)
    }
    x.add(pass.apply(layer.output, to: seen))
    let inner = pass.apply(layer.up, to: pass.apply(layer.feedForwardNorm, to: x))
    activation.apply(to: inner)
    x.add(pass.apply(layer.down, to: inner))
  }

  func normalise(_ x: FloatRows, _ pass: Pass) -> FloatRows { pass.apply(finalNorm, to: x) }
}

extension DecoderKind {
  /// GPT-2.
  static let gpt2 = DecoderKind(
    modelTypes: [("gpt2", endTokens: [50_256])], prefix: "transformer.",
    embeddingName: "wte.weight",
    linearLayers: ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"]
  ) { (config, loader) throws in try GPT2(config, &loader) }
}
