internal import StrictJSON

/// Llama (arXiv:2302.13971) and its kin: rotary positions, grouped heads, gated feed-forward parts, and what
/// `LlamaTraits` say besides.
struct Llama: Decoder {
  let dimensions: DecoderDimensions
  let embedding: StoredMatrix
  let head: LinearLayer
  let embeddingScale: Float?
  let logitCap: Float?
  private let layers: [LlamaLayer]
  private let finalNorm: RootMeanSquareNorm
  /// Of all layers, or of those that see all positions; and of the others, where it is another.
  private let rotaries: [RotaryEmbedding]
  private let activation: GatedActivation
  /// Widths of queries, keys and values; of the gate and what it is for.
  private let inputWidths: [Int]
  private let gateWidths: [Int]

  init(_ traits: LlamaTraits, _ loader: inout WeightLoader) throws {
    let (config, size) = (traits.config, traits.headDimension)
    embedding = try loader.embedding(
      "embed_tokens.weight", count: try config.neededCount("vocab_size"), width: traits.width)
    var layers: [LlamaLayer] = []
    for index in 0..<traits.layerCount {
      layers.append(try LlamaLayer(traits, index, &loader))
    }
    self.layers = layers
    try loader.refuseMoreLayers(
      "layers.\(traits.layerCount).input_layernorm.weight", config.path)
    try loader.refuseUnused(in: "layers.")
    // Only now is it known that heads of this size are there.
    rotaries = try [traits.rotary, traits.windowRotary].compactMap(\.self).map { rule in
      let width = rule.width(ofHead: size) ?? size
      if case .each(let factors, _) = rule.scaling {
        try config.refuse("short_factor", unless: factors.count == width / 2)
      }
      return RotaryEmbedding(rule, width: width)
    }
    finalNorm = RootMeanSquareNorm(
      weight: try loader.vector("norm.weight", traits.width), epsilon: traits.epsilon,
      origin: traits.normOrigin)
    head = try loader.head(embedding, isTied: traits.isTied)
    (embeddingScale, logitCap) = (traits.embeddingScale, traits.logitCap)
    activation = traits.activation
    inputWidths = LlamaLayer.inputWidths(traits)
    gateWidths = LlamaLayer.gateWidths(traits)
    dimensions = DecoderDimensions(
      layerCount: traits.layerCount, hiddenSize: traits.width, headCount: traits.sharedCount,
      headDimension: size, vocabularySize: embedding.rows,
      positionCount: try traits.positionCount())
  }

  func run(_ x: FloatRows, _ pass: Pass) {
    let angles = rotaries.map { rotary in
      let angles = pass.workspace.rows(x.count, rotary.width)
      pass.forEachRow { row, _, position in unsafe rotary.angles(at: position, into: angles[row]) }
      return angles
    }
    for (index, layer) in layers.enumerated() {
      let rotary = min(layer.rotary, rotaries.count - 1)
      pass.workspace.scope { run(layer, index, x, rotaries[rotary], angles[rotary], pass) }
    }
  }

  private func run(
    _ layer: LlamaLayer, _ index: Int, _ x: FloatRows, _ rotary: RotaryEmbedding,
    _ angles: FloatRows, _ pass: Pass
  ) {
    let size = dimensions.headDimension
    let normed = pass.apply(layer.attentionNorm, to: x)
    let mixed = pass.apply(layer.inputs, to: normed, asWidths: inputWidths)
    let (queries, keys, values) = (mixed[0], mixed[1], mixed[2])
    if let norms = layer.headNorms {
      pass.apply(norms.query, toHeadsOf: queries)
      pass.apply(norms.key, toHeadsOf: keys)
    }
    for row in 0..<x.count {
      unsafe rotary.rotate(queries[row], headDimension: size, by: angles[row])
      unsafe rotary.rotate(keys[row], headDimension: size, by: angles[row])
    }
    let seen = unsafe pass.attend(layer.attention, queries, layer: index) { row, head, key, value in
      unsafe key.copy(from: keys[row], at: head * size)
      unsafe value.copy(from: values[row], at: head * size)
    }
    add(pass.apply(layer.output, to: seen), layer.attentionPostNorm, to: x, pass)
    let second = pass.apply(layer.feedForwardNorm, to: x)
    let fed = pass.apply(layer.gates, to: second, asWidths: gateWidths)
    activation.apply(to: fed[0], fed[1])
    add(pass.apply(layer.down, to: fed[0]), layer.feedForwardPostNorm, to: x, pass)
  }

  private func add(
    _ result: FloatRows, _ norm: RootMeanSquareNorm?, to x: FloatRows, _ pass: Pass
  ) {
    x.add(norm.map { pass.apply($0, to: result) } ?? result)
  }

  func normalise(_ x: FloatRows, _ pass: Pass) -> FloatRows { pass.apply(finalNorm, to: x) }
}

extension DecoderKind {
  /// The linear layers of a block of Llama.
  static let llamaLayers: Set<String> = [
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
  ]

  /// Llama.
  static let llama = DecoderKind(
    modelTypes: [("llama", endTokens: [2])], prefix: "model.",
    embeddingName: "embed_tokens.weight", linearLayers: llamaLayers
  ) { (config, loader) throws in
    var traits = try LlamaTraits(config, rotary: .init(config))
    try config.refuse("hidden_act", unlessIn: ["silu"])
    try config.refuse(flags: "use_sliding_window")
    traits.windows = try LayerWindows(config, size: nil, .all, isFixed: true)
    let hasBiases = try config.flag("attention_bias") == true
    traits.inputBias = hasBiases ? .needed : .none
    traits.outputBias = traits.inputBias
    traits.feedForwardBias = try config.flag("mlp_bias") == true ? .needed : .none
    return try Llama(traits, &loader)
  }
}
