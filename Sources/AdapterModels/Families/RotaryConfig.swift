internal import Operations
internal import StrictJSON

extension RotaryEmbedding {
  private static let known: Set<Name> = [
    "type", "rope_type", "rope_theta", "factor", "low_freq_factor", "high_freq_factor",
    "original_max_position_embeddings", "partial_rotary_factor",
  ]

  /// `rope_theta` and `rope_scaling`, or transformers 5's `rope_parameters` for both.
  init(_ config: DecoderConfig, headDimension: Int) throws {
    let rope = try Self.fields(config)
    for fields in [config, rope] {
      guard let share = try fields?.number("partial_rotary_factor"), share != 1 else { continue }
      throw AdapterError.config(
        config.path, "\"partial_rotary_factor\" has a value that cannot be run here")
    }
    let (inner, outer) = (try rope?.number("rope_theta"), try config.number("rope_theta"))
    self.init(
      headDimension: headDimension, base: inner ?? outer ?? 10_000,
      scaling: try Scaling(rope, config))
  }

  /// The object with the fields of the scaling.
  private static func fields(_ config: DecoderConfig) throws -> DecoderConfig? {
    let (scaling, parameters) = (
      try config.object("rope_scaling"), try config.object("rope_parameters")
    )
    if let scaling, let parameters, !scaling.agrees(with: parameters) {
      throw AdapterError.config(
        config.path, "\"rope_scaling\" and \"rope_parameters\" contradict each other")
    }
    let rope = scaling ?? parameters
    if let key = rope?.keys.first(where: { !known.contains($0) }) {
      throw AdapterError.config(config.path, "positions with \"\(key)\" cannot be run here")
    }
    return rope
  }
}

extension RotaryEmbedding.Scaling {
  fileprivate init(_ rope: DecoderConfig?, _ config: DecoderConfig) throws {
    func needed(_ key: Name) throws -> Double {
      guard let value = try rope?.number(key), value > 0 else {
        throw AdapterError.config(config.path, "the scaling of positions lacks \"\(key)\"")
      }
      return value
    }
    let (kind, oldKind) = (try rope?.text("rope_type"), try rope?.text("type"))
    switch kind ?? oldKind ?? "default" {
    case "default": self = .none
    case "linear": self = .linear(factor: try needed("factor"))
    case "llama3":
      let key: Name = "original_max_position_embeddings"
      let (outer, inner) = (try config.number(key), try rope?.number(key))
      let maximum = try config.number("max_position_embeddings")
      let (low, high) = (try needed("low_freq_factor"), try needed("high_freq_factor"))
      guard let positions = outer ?? inner ?? maximum, high > low else {
        throw AdapterError.config(
          config.path, "the scaling llama3 lacks \"\(key)\", or its factors cross")
      }
      self = .llama3(
        factor: try needed("factor"), low: low, high: high, originalPositions: positions)
    case let kind:
      throw AdapterError.config(config.path, "positions scaled by \(kind) cannot be run here")
    }
  }
}
