internal import Operations
internal import StrictJSON

// How positions turn heads: `rope_theta` and `rope_scaling`, or transformers 5's `rope_parameters` for both.

extension RotaryEmbedding.Rule {
  private static let known: Set<Name> = [
    "type", "rope_type", "rope_theta", "factor", "low_freq_factor", "high_freq_factor",
    "original_max_position_embeddings", "partial_rotary_factor",
  ]

  /// One rule for all layers.
  ///
  /// - Parameters:
  ///   - config: the model's configuration.
  ///   - isPartial: whether only a part of a head may be turned.
  ///   - isLong: whether each frequency may have a factor of its own, as with Phi-3.
  /// - Throws: `AdapterError` for a value that is unknown or has another type.
  init(_ config: DecoderConfig, isPartial: Bool = false, isLong: Bool = false) throws {
    let (scaling, parameters) = (
      try config.object("rope_scaling"), try config.object("rope_parameters")
    )
    if let scaling, let parameters, !scaling.agrees(with: parameters) {
      throw AdapterError.config(
        config.path, "\"rope_scaling\" and \"rope_parameters\" contradict each other")
    }
    let rope = scaling ?? parameters
    try self.init(
      rope, base: try config.number("rope_theta") ?? 10_000, of: config, isLong: isLong)
    if rope?.has("partial_rotary_factor") != true {
      share = try config.number("partial_rotary_factor") ?? 1
    }
    try config.refuse("partial_rotary_factor", unless: isPartial || share == 1)
  }

  /// The rule of an object of its own.
  ///
  /// - Parameters:
  ///   - rope: the object.
  ///   - base: where the object names none.
  ///   - config: the model's configuration.
  ///   - isLong: whether each frequency may have a factor of its own.
  /// - Throws: `AdapterError` for a value that is unknown or has another type.
  init(
    _ rope: DecoderConfig?, base: Double, of config: DecoderConfig, isLong: Bool = false
  ) throws {
    let (kind, oldKind) = (try rope?.text("rope_type"), try rope?.text("type"))
    let type = kind ?? oldKind ?? "default"
    let known = Self.known.union(isLong && LongRope.types.contains(type) ? LongRope.keys : [])
    if let key = rope?.keys.first(where: { !known.contains($0) }) {
      throw AdapterError.config(config.path, "positions with \"\(key)\" cannot be run here")
    }
    self.init(base: try rope?.number("rope_theta") ?? base)
    share = try rope?.number("partial_rotary_factor") ?? 1
    if isLong, let rope, LongRope.types.contains(type) {
      let long = try LongRope(rope, of: config)
      (scaling, positionCount) = (long.scaling, long.positionCount)
    } else {
      scaling = try RotaryEmbedding.Scaling(type, rope, config)
    }
  }
}

extension RotaryEmbedding.Scaling {
  fileprivate init(_ type: String, _ rope: DecoderConfig?, _ config: DecoderConfig) throws {
    func needed(_ key: Name) throws -> Double {
      guard let value = try rope?.number(key), value > 0 else {
        throw AdapterError.config(config.path, "the scaling of positions lacks \"\(key)\"")
      }
      return value
    }
    switch type {
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
    case let type:
      throw AdapterError.config(config.path, "positions scaled by \(type) cannot be run here")
    }
  }
}
