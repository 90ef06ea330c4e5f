internal import Operations
internal import StrictJSON

/// SuperTuning (arXiv:2607.09287): single elements, and a low-rank change where there is one.
///
/// | PEFT | here |
/// |---|---|
/// | `M.supertuning_values` [n], `M.supertuning_indices` [n] | `add_sparse` |
/// | `M.supertuning_lora_A`, `M.supertuning_lora_B`, `lora_alpha / r` | `add_low_rank` |
extension PEFTMethod {
  static let superTuning = PEFTMethod(
    type: "SUPERTUNING", title: "SuperTuning",
    parts: [
      "supertuning_values", "supertuning_indices", "supertuning_lora_A", "supertuning_lora_B",
    ],
    fields: FieldRules(
      honoured: "lora_alpha r",
      noEffect: "init_weights lora_dropout save_precomputed_indices select_top sparsity"),
    read: { meaning, _ in try meaning.addSuperTuning() })
}

extension PEFTMeaning {
  fileprivate mutating func addSuperTuning() throws {
    for module in tensors.modules {
      try append(
        AddSparse(
          target: module.weight, indices: try tensors.take("supertuning_indices", of: module),
          values: try tensors.take("supertuning_values", of: module), scale: 1))
      guard let a = try tensors.takeIfThere("supertuning_lora_A", of: module) else { continue }
      let scale = try config.number("lora_alpha") / Double(try config.count("r"))
      var weight = module.weight
      (weight.layout, weight.layoutSource) = (.outIn, .guessed)
      try append(
        AddLowRank(
          target: weight, a: a, b: try tensors.take("supertuning_lora_B", of: module),
          scale: scale))
    }
  }
}
