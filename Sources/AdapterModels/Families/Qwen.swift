internal import StrictJSON

extension DecoderKind {
  /// Qwen2 (arXiv:2407.10671): Llama with biases of queries, keys and values. Qwen3 (arXiv:2505.09388): with
  /// norms of the heads of queries and keys instead. Both may have windows in their last layers.
  static let qwen = DecoderKind(
    modelTypes: [("qwen2", endTokens: []), ("qwen3", endTokens: [])], prefix: "model.",
    embeddingName: "embed_tokens.weight", linearLayers: llamaLayers
  ) { (config, loader) throws in
    let isThird = try config.text("model_type") == "qwen3"
    var traits = try LlamaTraits(
      config, rotary: .init(config), headDimension: isThird ? 128 : nil,
      sharedCount: isThird ? 32 : nil)
    try config.refuse("hidden_act", unlessIn: ["silu"])
    try config.refuse(flags: "mlp_bias")
    traits.hasHeadNorms = isThird
    if isThird {
      traits.inputBias = try config.flag("attention_bias") == true ? .needed : .none
      traits.outputBias = traits.inputBias
    } else {
      // It has them, and says nothing of them.
      traits.inputBias = .needed
    }
    let hasWindows = try config.flag("use_sliding_window") == true
    traits.windows = try LayerWindows(
      config, size: hasWindows ? config.window(missing: 4096) : nil,
      .from(config.count("max_window_layers", atLeast: 0) ?? 28))
    return try Llama(traits, &loader)
  }
}
