internal import StrictJSON

extension DecoderKind {
  /// Phi-3 (arXiv:2404.14219): Llama with one layer for queries, keys and values, one for the gate and what it
  /// is for, and perhaps a part of each head that is not turned.
  static let phi3 = DecoderKind(
    modelTypes: [("phi3", endTokens: [32_000])], prefix: "model.",
    embeddingName: "embed_tokens.weight",
    linearLayers: [
      "self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj",
    ]
  ) { (config, loader) throws in
    var traits = try LlamaTraits(
      config, rotary: .init(config, isPartial: true, isLong: true), epsilon: 1e-5)
    try config.refuse("hidden_act", unlessIn: ["silu"])
    try config.refuse(flags: "attention_bias", "mlp_bias", "lm_head_bias")
    traits.isFused = true
    traits.windows = try LayerWindows(
      config, size: config.count("sliding_window"), .all, isFixed: true)
    return try Llama(traits, &loader)
  }
}
