internal import StrictJSON

/// The traits that tell Llama and its kin apart: each family makes these of a configuration, and `Llama` runs them.
struct LlamaTraits {
  let config: DecoderConfig
  let width: Int
  let headCount: Int
  /// Heads of keys and values.
  let sharedCount: Int
  let headDimension: Int
  let layerCount: Int
  /// Elements between the two layers of a feed-forward part.
  let inner: Int
  let epsilon: Float
  let isTied: Bool
  var activation = GatedActivation.silu
  /// Of the layers of queries, keys and values; of the one after them; of those of the feed-forward part.
  var inputBias = WeightLoader.Bias.none
  var outputBias = WeightLoader.Bias.none
  var feedForwardBias = WeightLoader.Bias.none
  /// The value that the weights of norms are differences from.
  var normOrigin: Float = 0
  /// True if the heads of queries and keys are normalised.
  var hasHeadNorms = false
  /// True if each part's result is normalised before it is added.
  var hasPostNorms = false
  /// True if one layer makes queries, keys and values, and another makes the gate and the values that it scales.
  var isFused = false
  var attentionScale: Float
  var scoreCap: Float?
  var logitCap: Float?
  var embeddingScale: Float?
  var windows = LayerWindows.none
  var rotary: RotaryEmbedding.Rule
  /// Of the layers with a window, where it is another.
  var windowRotary: RotaryEmbedding.Rule?

  /// The fields that all have. Defaults are transformers' own of a family, for files that do not have a field.
  ///
  /// - Parameters:
  ///   - config: the model's configuration.
  ///   - rotary: how positions turn heads.
  ///   - headDimension: nil for hidden size by heads.
  ///   - sharedCount: nil for as many as heads.
  ///   - epsilon: of norms.
  ///   - isTied: whether the embedding makes logits.
  /// - Throws: `AdapterError` for a value that is unknown or has another type.
  init(
    _ config: DecoderConfig, rotary: RotaryEmbedding.Rule, headDimension: Int? = nil,
    sharedCount: Int? = nil, epsilon: Double = 1e-6, isTied: Bool = false
  ) throws {
    self.config = config
    self.rotary = rotary
    width = try config.neededCount("hidden_size")
    headCount = try config.neededCount("num_attention_heads")
    layerCount = try config.neededCount("num_hidden_layers")
    inner = try config.neededCount("intermediate_size")
    let missing = config.has("num_key_value_heads") ? nil : sharedCount
    self.sharedCount = try config.count("num_key_value_heads") ?? missing ?? headCount
    let given = try config.count("head_dim") ?? headDimension
    try config.refuse(
      "num_attention_heads", unless: given != nil || width.isMultiple(of: headCount))
    let size = given ?? width / headCount
    try config.refuse("num_key_value_heads", unless: headCount.isMultiple(of: self.sharedCount))
    try config.refuse("head_dim", unless: size.isMultiple(of: 2))
    try config.refuse("partial_rotary_factor", unless: rotary.width(ofHead: size) != nil)
    // So that sums of widths stay far from the largest integer.
    try config.refuse("num_attention_heads", unless: headCount * size < 1 << 40)
    self.headDimension = size
    self.epsilon = Float(try config.number("rms_norm_eps") ?? epsilon)
    self.isTied = try config.flag("tie_word_embeddings") ?? isTied
    attentionScale = 1 / Float(size).squareRoot()
  }

  /// How many positions there may be.
  func positionCount() throws -> Int? {
    let limits = [try config.count("max_position_embeddings"), rotary.positionCount]
    return limits.compactMap(\.self).min()
  }
}

/// The function of a gate before it is multiplied with what it is for.
enum GatedActivation: Sendable {
  case silu
  case tanhGELU

  /// Into the gate.
  func apply(to gate: FloatRows, _ other: FloatRows) {
    switch self {
    case .silu: Functions.gatedSilu(gate, other)
    case .tanhGELU: Functions.gatedTanhGELU(gate, other)
    }
  }
}
