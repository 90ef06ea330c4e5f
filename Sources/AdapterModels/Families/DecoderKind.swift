internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// One of the architectures that can be run, and all that is particular to it outside of its own code.
struct DecoderKind: Sendable {
  /// The model types that it runs, each with the tokens that end a text where no configuration says so.
  let modelTypes: [(type: String, endTokens: [Int32])]
  /// The prefix of all names but the head's, unless the checkpoint is of the bare model.
  let prefix: String
  /// The embedding of the input.
  let embeddingName: String
  /// The linear layers of a block, beside whose weights adapters can act: the last two parts of their names.
  let linearLayers: Set<String>
  /// Loads a model.
  let load: @Sendable (DecoderConfig, inout WeightLoader) throws -> any Decoder

  /// All there are.
  static let all: [DecoderKind] = [
    .gpt2, .bloom, .llama, .mistral, .qwen, .gemma, .phi3,
  ]

  /// The architecture of a model.
  ///
  /// - Throws: `AdapterError` where its configuration names none of these.
  static func of(_ config: DecoderConfig) throws -> DecoderKind {
    guard let type = try config.text("model_type") else {
      throw AdapterError.config(config.path, "lacks \"model_type\"")
    }
    guard let kind = all.first(where: { $0.modelTypes.contains { $0.type == type } }) else {
      throw AdapterError.architecture(config.path, "models of type \(type) cannot be run here")
    }
    return kind
  }

  /// The tokens that end a text, as `generate` takes them: those of generation_config.json, or else of
  /// config.json, or else transformers' own for the model type.
  func endTokens(_ config: DecoderConfig) throws -> [Int32] {
    let path = config.path.removingLastComponent().appending("generation_config.json")
    if FileStatus(of: path) != nil, let tokens = try DecoderConfig(path).tokens("eos_token_id") {
      return tokens
    }
    if let tokens = try config.tokens("eos_token_id") { return tokens }
    let type = try config.text("model_type")
    return modelTypes.first { $0.type == type }?.endTokens ?? []
  }

  /// Returns true if a tensor is the weight of a linear layer, beside which adapters can act.
  func isLayer(_ name: Name) -> Bool {
    let parts = name.text.split(separator: ".")
    guard parts.count >= 4, parts.last == "weight", Int(parts[parts.count - 4]) != nil else {
      return false
    }
    return linearLayers.contains("\(parts[parts.count - 3]).\(parts[parts.count - 2])")
  }
}
