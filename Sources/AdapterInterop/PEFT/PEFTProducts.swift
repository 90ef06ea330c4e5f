internal import Operations
internal import StrictJSON

// Methods whose change is made of products: LoHa, LoKr, VeRA, PVeRA, GraLoRA, DeLoRA, HiRA.

extension PEFTMeaning {
  /// LoHa.
  ///
  /// | PEFT | here |
  /// |---|---|
  /// | `M.hada_w1_a` … `M.hada_w2_b`, with `M.hada_t1`, `M.hada_t2` for kernels | `add_hadamard` |
  /// | `alpha / r`, both by pattern | `scale` |
  mutating func addLoHa() throws(InteropError) {
    let ranks = try PEFTRanks(config, alpha: "alpha")
    for module in tensors.modules {
      let (rank, scale) = try ranks.numbers(for: module.name)
      let hadamard = AddHadamard(
        target: module.weight, first: try pair("hada_w1", core: "hada_t1", of: module),
        second: try pair("hada_w2", core: "hada_t2", of: module), scale: scale)
      guard hadamard.first.rank == rank else {
        throw .tensors(
          "\(module.name): the configuration gives rank \(rank), hada_w1_b is "
            + "\(hadamard.first.b.shape)")
      }
      try append(hadamard)
    }
    notes += try ranks.notes(tensors.modules.map(\.name))
  }

  private mutating func pair(
    _ stem: String, core: String, of module: PEFTTensors.Module
  ) throws(InteropError) -> FactorPair {
    FactorPair(
      a: try tensors.take("\(stem)_a", of: module), b: try tensors.take("\(stem)_b", of: module),
      core: try tensors.takeIfThere(core, of: module))
  }

  /// LoKr.
  ///
  /// | PEFT | here |
  /// |---|---|
  /// | `M.lokr_w1`, or `M.lokr_w1_a` and `M.lokr_w1_b`; the same of w2, with `M.lokr_t2` for kernels | `add_kronecker` |
  /// | `alpha / r`, both by pattern: r may be in no shape | `scale` |
  mutating func addLoKr() throws(InteropError) {
    let ranks = try PEFTRanks(config, alpha: "alpha")
    for module in tensors.modules {
      let left: Factor = try factor("lokr_w1", core: "", of: module)
      let right: Factor = try factor("lokr_w2", core: "lokr_t2", of: module)
      if right.whole?.shape.count == 3 {
        throw .tensors("\(module.name): PEFT's lokr_w2 of three dimensions is no Kronecker product")
      }
      try append(
        AddKronecker(
          target: module.weight, left: left, right: right,
          scale: try ranks.numbers(for: module.name).scale))
    }
    notes += try ranks.notes(tensors.modules.map(\.name))
  }

  private mutating func factor(
    _ stem: String, core: String, of module: PEFTTensors.Module
  ) throws(InteropError) -> Factor {
    if let whole = try tensors.takeIfThere(stem, of: module) { return .whole(whole) }
    return .product(try pair(stem, core: core, of: module))
  }

  /// GraLoRA.
  ///
  /// | PEFT | here |
  /// |---|---|
  /// | `M.gralora_A` [k, in / k, r], `M.gralora_B` [k, r, out / k] | `add_grouped_low_rank` |
  /// | `M.gralora_A_general`, `M.gralora_B_general` (`hybrid_r`) | `add_low_rank` |
  /// | `alpha / (r + hybrid_r)` | both `scale`s |
  mutating func addGraLoRA() throws(InteropError) {
    let layouts = PEFTLayouts(config, tensors.modules.map(\.name))
    let hybrid =
      try config["hybrid_r"].map { _ throws(InteropError) in
        try config.number("hybrid_r")
      } ?? 0
    guard hybrid >= 0 else { throw .config(field: "hybrid_r", "must not be negative") }
    let scale = try config.number("alpha") / (Double(try config.count("r")) + hybrid)
    for module in tensors.modules {
      var weight = module.weight
      (weight.layout, weight.layoutSource) = layouts.layout(of: module.name)
      let grouped = AddGroupedLowRank(
        target: weight, a: try tensors.take("gralora_A", of: module),
        b: try tensors.take("gralora_B", of: module), scale: scale)
      guard grouped.a.shape.first == (try config.count("gralora_k")) else {
        throw .tensors("\(module.name): gralora_A is \(grouped.a.shape), not of gralora_k parts")
      }
      try append(grouped)
      guard let a = try tensors.takeIfThere("gralora_A_general", of: module) else { continue }
      try append(
        AddLowRank(
          target: weight, a: a, b: try tensors.take("gralora_B_general", of: module),
          scale: scale))
    }
  }

  /// DeLoRA.
  ///
  /// | PEFT | here |
  /// |---|---|
  /// | `M.delora_A`, `M.delora_B`, `M.delora_lambda`, `M.delora_w_norm` | `add_normalised_low_rank` |
  mutating func addDeLoRA() throws(InteropError) {
    for module in tensors.modules {
      try append(
        AddNormalisedLowRank(
          target: module.weight, a: try tensors.take("delora_A", of: module),
          b: try tensors.take("delora_B", of: module),
          strength: try tensors.take("delora_lambda", of: module),
          columnNorm: try tensors.take("delora_w_norm", of: module)))
    }
  }

  /// HiRA.
  ///
  /// | PEFT | here |
  /// |---|---|
  /// | `M.hira_A` [r, in, k…], `M.hira_B` [out, r, 1…] | `scale_low_rank` |
  /// | `M.hira_embedding_A` [r, rows], `M.hira_embedding_B` [dim, r] | the same, stored `in_out` |
  ///
  /// Its rank_pattern is written and not obeyed by PEFT 0.21: the tensors tell the rank.
  mutating func addHiRA() throws(InteropError) {
    let layouts = PEFTLayouts(config, tensors.modules.map(\.name))
    for module in tensors.modules {
      let isEmbedding = module.parts["hira_embedding_A"] != nil
      let stem = isEmbedding ? "hira_embedding" : "hira"
      var change = ScaleLowRank(
        target: module.weight, a: try tensors.take("\(stem)_A", of: module),
        b: try tensors.take("\(stem)_B", of: module))
      (change.target.layout, change.target.layoutSource) =
        isEmbedding ? (.inOut, .kind) : layouts.layout(of: module.name, change.a.shape.count > 2)
      try append(change)
    }
  }
}

extension PEFTTensors.Module {
  /// The weight of the module.
  var weight: Target { Target(Name("\(name).weight")) }
}
