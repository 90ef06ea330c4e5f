internal import Operations
internal import RealModule
internal import StrictJSON

/// The positions of Phi-3's long models: a text that is longer than those of the first training has other
/// factors, from its first position on. Texts run here as long as they have the short ones.
struct LongRope {
  /// The names that it has had.
  static let types: Set<String> = ["longrope", "su", "yarn"]
  /// The other keys of its object.
  static let keys: Set<Name> = ["short_factor", "long_factor", "attention_factor"]

  let scaling: RotaryEmbedding.Scaling
  let positionCount: Int

  init(_ rope: DecoderConfig, of config: DecoderConfig) throws {
    let original = try config.neededCount("original_max_position_embeddings")
    try config.refuse("original_max_position_embeddings", unless: original > 1)
    guard let factors = try rope.numbers("short_factor"), factors.allSatisfy({ $0 > 0 }) else {
      throw AdapterError.config(config.path, "the scaling of positions lacks \"short_factor\"")
    }
    let positions = Double(try config.neededCount("max_position_embeddings"))
    let longer = try rope.number("factor") ?? positions / Double(original)
    let gain =
      longer > 1 ? (1 + Double.log(longer) / Double.log(Double(original))).squareRoot() : 1
    scaling = .each(factors: factors, gain: try rope.number("attention_factor") ?? gain)
    positionCount = original
  }
}
