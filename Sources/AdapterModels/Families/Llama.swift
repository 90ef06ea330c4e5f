internal import StrictJSON

/// Llama (arXiv:2302.13971) and its kin: rotary positions, grouped heads, gated feed-forward parts. Qwen2
/// (arXiv:2407.10671) has biases besides.
struct Llama: Decoder {
  let dimensions: DecoderDimensions
  let embedding: StoredMatrix
  let head: LinearLayer
  private let layers: [Layer]
  private let finalNorm: ModelVector
  private let attention: Attention
  private let rotary: RotaryEmbedding
  private let epsilon: Float

  private struct Layer {
    let attentionNorm: ModelVector
    let query: LinearLayer
    let key: LinearLayer
    let value: LinearLayer
    let output: LinearLayer
    let feedForwardNorm: ModelVector
    let gate: LinearLayer
    let up: LinearLayer
    let down: LinearLayer
  }

  init(_ config: DecoderConfig, _ loader: inout WeightLoader) throws {
    let width = try config.neededCount("hidden_size")
    let headCount = try config.neededCount("num_attention_heads")
    let sharedCount = try config.count("num_key_value_heads") ?? headCount
    let layerCount = try config.neededCount("num_hidden_layers")
    let inner = try config.neededCount("intermediate_size")
    let given = try config.count("head_dim")
    try config.refuse(
      "num_attention_heads", unless: given != nil || width.isMultiple(of: headCount))
    let size = given ?? width / headCount
    try config.refuse("num_key_value_heads", unless: headCount.isMultiple(of: sharedCount))
    try config.refuse("head_dim", unless: size.isMultiple(of: 2))
    try config.refuse("hidden_act", unless: ["silu", nil].contains(try config.text("hidden_act")))
    try config.refuse(
      "use_sliding_window", unless: try config.flag("use_sliding_window") != true)
    epsilon = Float(try config.number("rms_norm_eps") ?? 1e-6)
    embedding = try loader.embedding(
      "embed_tokens.weight", count: try config.neededCount("vocab_size"), width: width)
    // Qwen2 has these biases, and says nothing of them.
    let isQwen = try config.text("model_type") == "qwen2"
    let flag = try config.flag("attention_bias")
    let hasBiases = isQwen || flag == true
    let input: WeightLoader.Bias = hasBiases ? .needed : .none
    let attended: WeightLoader.Bias = hasBiases && !isQwen ? .needed : .none
    let fed: WeightLoader.Bias = try config.flag("mlp_bias") == true && !isQwen ? .needed : .none
    var layers: [Layer] = []
    for index in 0..<layerCount {
      let name = "layers.\(index)."
      let attention = name + "self_attn."
      layers.append(
        Layer(
          attentionNorm: try loader.vector(name + "input_layernorm.weight", width),
          query: try loader.linear(
            attention + "q_proj", from: width, to: headCount * size, bias: input),
          key: try loader.linear(
            attention + "k_proj", from: width, to: sharedCount * size, bias: input),
          value: try loader.linear(
            attention + "v_proj", from: width, to: sharedCount * size, bias: input),
          output: try loader.linear(
            attention + "o_proj", from: headCount * size, to: width, bias: attended),
          feedForwardNorm: try loader.vector(name + "post_attention_layernorm.weight", width),
          gate: try loader.linear(name + "mlp.gate_proj", from: width, to: inner, bias: fed),
          up: try loader.linear(name + "mlp.up_proj", from: width, to: inner, bias: fed),
          down: try loader.linear(name + "mlp.down_proj", from: inner, to: width, bias: fed)))
    }
    self.layers = layers
    try loader.refuseMoreLayers("layers.\(layerCount).input_layernorm.weight", config.path)
    // Only now is it known that heads of this size are there.
    rotary = try RotaryEmbedding(config, headDimension: size)
    finalNorm = try loader.vector("norm.weight", width)
    head = try loader.head(embedding, isTied: try config.flag("tie_word_embeddings") ?? false)
    attention = Attention(
      headCount: headCount, scale: 1 / Float(size).squareRoot(), slopes: nil)
    dimensions = DecoderDimensions(
      layerCount: layerCount, hiddenSize: width, headCount: sharedCount, headDimension: size,
      vocabularySize: embedding.rows,
      positionCount: try config.count("max_position_embeddings"))
  }

  func run(_ x: FloatRows, _ pass: Pass) {
    let angles = pass.workspace.rows(x.count, dimensions.headDimension)
    pass.forEachRow { row, _, position in unsafe rotary.angles(at: position, into: angles[row]) }
    for (index, layer) in layers.enumerated() {
      pass.workspace.scope { run(layer, index, x, angles, pass) }
    }
  }

  private func run(
    _ layer: Layer, _ index: Int, _ x: FloatRows, _ angles: FloatRows, _ pass: Pass
  ) {
    let size = dimensions.headDimension
    let normed = pass.rootMeanSquareNorm(x, layer.attentionNorm, epsilon: epsilon)
    let mixed = pass.apply([layer.query, layer.key, layer.value], to: normed)
    let (queries, keys, values) = (mixed[0], mixed[1], mixed[2])
    for row in 0..<x.count {
      unsafe rotary.rotate(queries[row], headDimension: size, by: angles[row])
      unsafe rotary.rotate(keys[row], headDimension: size, by: angles[row])
    }
    let seen = unsafe pass.attend(attention, queries, layer: index) { row, head, key, value in
      unsafe key.copy(from: keys[row], at: head * size)
      unsafe value.copy(from: values[row], at: head * size)
    }
    x.add(pass.apply(layer.output, to: seen))
    let second = pass.rootMeanSquareNorm(x, layer.feedForwardNorm, epsilon: epsilon)
    let fed = pass.apply([layer.gate, layer.up], to: second)
    Functions.gatedSilu(fed[0], fed[1])
    x.add(pass.apply(layer.down, to: fed[0]))
  }

  func normalise(_ x: FloatRows, _ pass: Pass) -> FloatRows {
    pass.rootMeanSquareNorm(x, finalNorm, epsilon: epsilon)
  }
}

extension DecoderKind {
  /// Llama and Qwen2.
  static let llama = DecoderKind(
    modelTypes: [("llama", endTokens: [2]), ("qwen2", endTokens: [])], prefix: "model.",
    embeddingName: "embed_tokens.weight",
    linearLayers: [
      "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
      "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
    ]
  ) { (config, loader) throws in try Llama(config, &loader) }
}
