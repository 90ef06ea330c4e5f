internal import Operations
internal import StrictJSON

/// LoKr (LyCORIS, arXiv:2309.14859): a Kronecker product.
///
/// | PEFT | here |
/// |---|---|
/// | `M.lokr_w1`, or `M.lokr_w1_a` and `M.lokr_w1_b`; the same of w2, with `M.lokr_t2` for kernels | `add_kronecker` |
/// | `alpha / r`, both by pattern: r may be in no shape | `scale` |
extension PEFTMethod {
  static let loKr = PEFTMethod(
    type: "LOKR", title: "LoKr",
    parts: ["lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"],
    fields: FieldRules(
      honoured: "alpha alpha_pattern r rank_pattern",
      noEffect: """
        decompose_both decompose_factor init_weights module_dropout rank_dropout
        rank_dropout_scale use_effective_conv2d
        """),
    read: { meaning, _ in try meaning.addLoKr() })
}

extension PEFTMeaning {
  fileprivate mutating func addLoKr() throws {
    let ranks = try PEFTRanks(config, alpha: "alpha")
    for module in tensors.modules {
      let left: Factor = try factor("lokr_w1", core: "", of: module)
      let right: Factor = try factor("lokr_w2", core: "lokr_t2", of: module)
      if right.whole?.shape.count == 3 {
        throw InteropError.tensors(
          "\(module.name): PEFT's lokr_w2 of three dimensions is no Kronecker product")
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
  ) throws -> Factor {
    if let whole = try tensors.takeIfThere(stem, of: module) { return .whole(whole) }
    return .product(try pair(stem, core: core, of: module))
  }
}
