internal import Operations
internal import StrictJSON

// Methods that rotate: OFT, BOFT, HRA, RoAd.

extension PEFTMeaning {
  /// OFT.
  ///
  /// | PEFT | here |
  /// |---|---|
  /// | `M.oft_R.weight` [n, b (b − 1) / 2] | `rotate_input` |
  /// | `use_cayley_neumann`, `num_cayley_neumann_terms` | `terms`: the series turns the other way than the exact rotation |
  /// | `block_share` | `shared` |
  /// | `coft`, `eps` | `radius` eps / √n |
  mutating func addOFT() throws(InteropError) {
    guard config["oft_block_size"] != nil, config.version != nil else {
      throw .config(
        field: "oft_block_size or peft_version",
        "missing: PEFT before 0.18 rotated differently; save it anew with a later one")
    }
    let usesSeries = try config.flag("use_cayley_neumann", absent: true)
    let terms = usesSeries ? try config.count("num_cayley_neumann_terms") : 0
    let isShared = try config.flag("block_share")
    for module in tensors.modules {
      if module.parts["oft_embedding_R"] != nil {
        throw .tensors("\(module.name): OFT on an embedding is not supported by this version")
      }
      let generator = try tensors.take("oft_R", of: module)
      guard generator.shape.count == 2 else {
        throw .tensors("\(module.name): oft_R is \(generator.shape), not [n, b (b - 1) / 2]")
      }
      let radius =
        try config.flag("coft")
        ? try config.number("eps") / Double(generator.shape[0]).squareRoot() : nil
      try append(
        RotateInput(
          target: module.weight, generator: generator, terms: terms, isShared: isShared,
          radius: radius))
    }
  }

  /// BOFT.
  ///
  /// | PEFT | here |
  /// |---|---|
  /// | `M.boft_R` [f, n, b, b], `M.boft_s` [out, 1] | `rotate_butterfly` |
  mutating func addBOFT() throws(InteropError) {
    for module in tensors.modules {
      try append(
        RotateButterfly(
          target: module.weight, generators: try tensors.take("boft_R", of: module),
          rowScale: try tensors.take("boft_s", of: module)))
    }
  }

  /// HRA.
  ///
  /// | PEFT | here |
  /// |---|---|
  /// | `M.hra_u` [in, r], `apply_GS` | `reflect_input` |
  mutating func addHRA() throws(InteropError) {
    let isOrthogonal = try config.flag("apply_GS")
    for module in tensors.modules {
      try append(
        ReflectInput(
          target: module.weight, vectors: try tensors.take("hra_u", of: module),
          isOrthogonal: isOrthogonal))
    }
  }

  /// RoAd.
  ///
  /// | PEFT | here |
  /// |---|---|
  /// | `M.road_theta`, `M.road_alpha`, `variant`, `group_size` | `rotate_output`, of the bias too |
  mutating func addRoAd() throws(InteropError) {
    guard let variant = config.text("variant").flatMap(RotateOutput.Variant.init) else {
      throw .config(field: "variant", "is not road_1, road_2 or road_4")
    }
    let group = try config.count("group_size")
    for module in tensors.modules {
      try append(
        RotateOutput(
          target: module.weight, theta: try tensors.take("road_theta", of: module),
          alpha: try tensors.take("road_alpha", of: module), variant: variant, groupSize: group))
    }
  }
}
