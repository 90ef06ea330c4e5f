internal import Operations
internal import StrictJSON

/// LoHa (arXiv:2108.06098): the product of two low-rank changes, element by element.
///
/// | PEFT | here |
/// |---|---|
/// | `M.hada_w1_a` … `M.hada_w2_b`, with `M.hada_t1`, `M.hada_t2` for kernels | `add_hadamard` |
/// | `alpha / r`, both by pattern | `scale` |
extension PEFTMethod {
  static let loHa = PEFTMethod(
    type: "LOHA", title: "LoHa",
    parts: ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"],
    fields: FieldRules(
      honoured: "alpha alpha_pattern r rank_pattern",
      noEffect: "init_weights module_dropout rank_dropout use_effective_conv2d"),
    read: { meaning, _ in try meaning.addLoHa() })
}

extension PEFTMeaning {
  fileprivate mutating func addLoHa() throws {
    let ranks = try PEFTRanks(config, alpha: "alpha")
    for module in tensors.modules {
      let (rank, scale) = try ranks.numbers(for: module.name)
      let hadamard = AddHadamard(
        target: module.weight, first: try pair("hada_w1", core: "hada_t1", of: module),
        second: try pair("hada_w2", core: "hada_t2", of: module), scale: scale)
      guard hadamard.first.rank == rank else {
        throw InteropError.tensors(
          "\(module.name): the configuration gives rank \(rank), hada_w1_b is "
            + "\(hadamard.first.b.shape)")
      }
      try append(hadamard)
    }
    notes += try ranks.notes(tensors.modules.map(\.name))
  }

  /// The two factors of a product, and the core between them where there is one.
  mutating func pair(
    _ stem: String, core: String, of module: PEFTTensors.Module
  ) throws -> FactorPair {
    FactorPair(
      a: try tensors.take("\(stem)_a", of: module), b: try tensors.take("\(stem)_b", of: module),
      core: try tensors.takeIfThere(core, of: module))
  }
}
