internal import StrictJSON

extension DecoderKind {
  /// Gemma 2 (arXiv:2408.00118): Llama with scaled embeddings, norms after each part too, bounds of scores and
  /// logits, and a window in every second layer. Gemma 3 (arXiv:2503.19786): norms of heads in place of the
  /// bound of scores, five layers with a window for one without, and other positions in these.
  static let gemma = DecoderKind(
    modelTypes: [("gemma2", endTokens: [1]), ("gemma3_text", endTokens: [1])], prefix: "model.",
    embeddingName: "embed_tokens.weight", linearLayers: llamaLayers
  ) { (config, loader) throws in
    let isThird = try config.text("model_type") == "gemma3_text"
    let positions = try isThird ? GemmaPositions(config) : nil
    let rotary = try positions?.full ?? .init(config)
    var traits = try LlamaTraits(
      config, rotary: rotary, headDimension: 256, sharedCount: 4, isTied: true)
    try config.refuse("hidden_activation", unlessIn: ["gelu_pytorch_tanh"])
    try config.refuse(flags: "mlp_bias", "use_bidirectional_attention")
    traits.activation = .tanhGELU
    traits.normOrigin = 1
    traits.hasHeadNorms = isThird
    traits.hasPostNorms = true
    traits.inputBias = try config.flag("attention_bias") == true ? .needed : .none
    traits.outputBias = traits.inputBias
    // In F32, as everything here; a model that is run in BF16 has it rounded to BF16.
    traits.embeddingScale = Float(traits.width).squareRoot()
    let scalar = try config.number("query_pre_attn_scalar") ?? 256
    try config.refuse("query_pre_attn_scalar", unless: scalar > 0)
    traits.attentionScale = Float(1 / scalar.squareRoot())
    traits.logitCap = try config.cap("final_logit_softcapping", missing: isThird ? nil : 30)
    let window = try config.window(missing: 4096)
    try config.refuse("sliding_window", unless: window != nil)
    if isThird {
      // Its configuration has the field, and no version of the model uses it.
      try config.refuse(
        "attn_logit_softcapping", unless: config.number("attn_logit_softcapping") == nil)
      let every = try config.count("sliding_window_pattern", "_sliding_window_pattern") ?? 6
      traits.windows = try LayerWindows(config, size: window, .allButEvery(every))
      traits.windowRotary = positions?.windowed
    } else {
      traits.scoreCap = try config.cap("attn_logit_softcapping", missing: 50)
      traits.windows = try LayerWindows(config, size: window, .allButEvery(2))
    }
    return try Llama(traits, &loader)
  }
}

extension DecoderConfig {
  /// A bound: a configuration that does not have it means `missing`, one with a null none.
  fileprivate func cap(_ key: Name, missing: Float?) throws -> Float? {
    guard has(key) else { return missing }
    let cap = try number(key).map { Float($0) }
    try refuse(key, unless: cap.map { $0 > 0 && $0.isFinite } ?? true)
    return cap
  }
}

/// The positions of Gemma 3: of layers that see all, and of those with a window. Older configurations have
/// `rope_theta` and `rope_scaling` for the first and `rope_local_base_freq` for the others.
private struct GemmaPositions {
  let full: RotaryEmbedding.Rule
  let windowed: RotaryEmbedding.Rule

  init(_ config: DecoderConfig) throws {
    let (scaling, both) = (
      try config.object("rope_scaling"), try config.object("rope_parameters")
    )
    try config.refuse("rope_scaling", unless: scaling == nil || both == nil)
    try config.refuse(
      "rope_parameters",
      unless: both?.keys.allSatisfy { ["full_attention", "sliding_attention"].contains($0) } ?? true
    )
    let (far, near) = (try config.number("rope_theta"), try config.number("rope_local_base_freq"))
    full = try .init(
      scaling ?? both?.object("full_attention"), base: far ?? 1_000_000, of: config)
    windowed = try .init(both?.object("sliding_attention"), base: near ?? 10_000, of: config)
    let share = try config.number("partial_rotary_factor") ?? 1
    try config.refuse(
      "partial_rotary_factor", unless: [share, full.share, windowed.share].allSatisfy { $0 == 1 })
  }
}
