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

  init(_ config: DecoderConfig, _ loader: inout WeightLoader) throws(DecoderError) {
    let width = try config.neededCount("hidden_size")
    let headCount = try config.neededCount("num_attention_heads")
    let sharedCount = try config.count("num_key_value_heads") ?? headCount
    let layerCount = try config.neededCount("num_hidden_layers")
    let inner = try config.neededCount("intermediate_size")
    let size = try config.count("head_dim") ?? width / headCount
    try config.refuse("num_key_value_heads", unless: headCount.isMultiple(of: sharedCount))
    try config.refuse("head_dim", unless: size.isMultiple(of: 2))
    try config.refuse("hidden_act", unless: ["silu", nil].contains(try config.text("hidden_act")))
    try config.refuse(
      "use_sliding_window", unless: try config.flag("use_sliding_window") != true)
    epsilon = Float(try config.number("rms_norm_eps") ?? 1e-6)
    rotary = try RotaryEmbedding(config, headDimension: size)
    embedding = try loader.embedding("embed_tokens.weight", width: width)
    var layers: [Layer] = []
    for index in 0..<layerCount {
      let name = "layers.\(index)."
      let attention = name + "self_attn."
      layers.append(
        Layer(
          attentionNorm: try loader.vector(name + "input_layernorm.weight", width),
          query: try loader.linear(attention + "q_proj", from: width, to: headCount * size),
          key: try loader.linear(attention + "k_proj", from: width, to: sharedCount * size),
          value: try loader.linear(attention + "v_proj", from: width, to: sharedCount * size),
          output: try loader.linear(attention + "o_proj", from: headCount * size, to: width),
          feedForwardNorm: try loader.vector(name + "post_attention_layernorm.weight", width),
          gate: try loader.linear(name + "mlp.gate_proj", from: width, to: inner),
          up: try loader.linear(name + "mlp.up_proj", from: width, to: inner),
          down: try loader.linear(name + "mlp.down_proj", from: inner, to: width)))
    }
    self.layers = layers
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

extension RotaryEmbedding {
  /// `rope_theta` and `rope_scaling`, or transformers 5's `rope_parameters` for both.
  fileprivate init(_ config: DecoderConfig, headDimension: Int) throws(DecoderError) {
    let scaled = try config.object("rope_scaling")
    let rope = try config.object("rope_parameters") ?? scaled
    var base = 10_000.0
    for fields in [config, rope] {
      if let given = try fields?.number("rope_theta") { base = given }
    }
    let scaling: Scaling
    var kind = "default"
    for key: Name in ["type", "rope_type"] { if let given = try rope?.text(key) { kind = given } }
    switch kind {
    case "default": scaling = .none
    case "linear": scaling = .linear(factor: try rope?.number("factor") ?? 1)
    case "llama3":
      guard let factor = try rope?.number("factor"), let low = try rope?.number("low_freq_factor"),
        let high = try rope?.number("high_freq_factor"),
        let original = try rope?.number("original_max_position_embeddings"), high > low
      else { throw .config(config.path, "lacks the factors of the scaling llama3") }
      scaling = .llama3(factor: factor, low: low, high: high, originalPositions: original)
    default:
      throw .architecture(config.path, "positions scaled by \(kind) cannot be run here")
    }
    self.init(headDimension: headDimension, base: base, scaling: scaling)
  }
}
