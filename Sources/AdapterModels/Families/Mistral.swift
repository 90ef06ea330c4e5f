internal import StrictJSON

extension DecoderKind {
  /// Mistral (arXiv:2310.06825): Llama with a window of positions in all layers, or in none.
  static let mistral = DecoderKind(
    modelTypes: [("mistral", endTokens: [2])], prefix: "model.",
    embeddingName: "embed_tokens.weight", linearLayers: llamaLayers
  ) { (config, loader) throws in
    var traits = try LlamaTraits(config, rotary: .init(config), sharedCount: 8)
    try config.refuse("hidden_act", unlessIn: ["silu"])
    try config.refuse(flags: "attention_bias", "mlp_bias")
    traits.windows = try LayerWindows(
      config, size: config.window(missing: 4096), .all, isFixed: true)
    return try Llama(traits, &loader)
  }
}
