internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// The architectures that can be run.
enum DecoderKind: Sendable {
  case gpt2
  case bloom
  case llama

  init(_ config: DecoderConfig) throws {
    switch try config.text("model_type") {
    case "gpt2": self = .gpt2
    case "bloom": self = .bloom
    case "llama", "qwen2": self = .llama
    case let type?:
      throw AdapterError.architecture(config.path, "models of type \(type) cannot be run here")
    case nil: throw AdapterError.config(config.path, "lacks \"model_type\"")
    }
  }

  /// The tokens that end a text, as `generate` takes them: those of generation_config.json, or else of
  /// config.json, or else transformers' own for the architecture.
  func endTokens(_ config: DecoderConfig) throws -> [Int32] {
    let path = config.path.removingLastComponent().appending("generation_config.json")
    if FileStatus(of: path) != nil, let tokens = try DecoderConfig(path).tokens("eos_token_id") {
      return tokens
    }
    if let tokens = try config.tokens("eos_token_id") { return tokens }
    switch (self, try config.text("model_type")) {
    case (.gpt2, _): return [50_256]
    case (.llama, "qwen2"): return []
    case (.bloom, _), (.llama, _): return [2]
    }
  }

  func load(
    _ config: DecoderConfig, _ loader: inout WeightLoader
  ) throws -> any Decoder {
    switch self {
    case .gpt2: try GPT2(config, &loader)
    case .bloom: try BLOOM(config, &loader)
    case .llama: try Llama(config, &loader)
    }
  }

  /// What stands before all names but the head's, unless the checkpoint is of the bare model.
  var prefix: String {
    switch self {
    case .gpt2, .bloom: "transformer."
    case .llama: "model."
    }
  }

  /// The embedding of the input.
  var embeddingName: String {
    switch self {
    case .gpt2: "wte.weight"
    case .bloom: "word_embeddings.weight"
    case .llama: "embed_tokens.weight"
    }
  }

  /// Whether a tensor is the weight of a linear layer, beside which adapters can act.
  func isLayer(_ name: Name) -> Bool {
    let parts = name.text.split(separator: ".")
    guard parts.count >= 4, parts.last == "weight", Int(parts[parts.count - 4]) != nil else {
      return false
    }
    return modules.contains("\(parts[parts.count - 3]).\(parts[parts.count - 2])")
  }

  private var modules: Set<String> {
    switch self {
    case .gpt2: ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"]
    case .bloom:
      [
        "self_attention.query_key_value", "self_attention.dense", "mlp.dense_h_to_4h",
        "mlp.dense_4h_to_h",
      ]
    case .llama:
      [
        "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
        "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
      ]
    }
  }
}
