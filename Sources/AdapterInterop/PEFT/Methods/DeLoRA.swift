internal import Operations
internal import StrictJSON

/// DeLoRA (arXiv:2503.18225): a low-rank change of normalised factors.
///
/// | PEFT | here |
/// |---|---|
/// | `M.delora_A`, `M.delora_B`, `M.delora_lambda`, `M.delora_w_norm` | `add_normalised_low_rank` |
extension PEFTMethod {
  static let deLoRA = PEFTMethod(
    type: "DELORA", title: "DeLoRA",
    parts: ["delora_A", "delora_B", "delora_lambda", "delora_w_norm"],
    fields: FieldRules(
      honoured: "bias",
      noEffect: "delora_lambda init_weights lambda_pattern module_dropout r rank_pattern"),
    read: { meaning, _ in try meaning.addDeLoRA() })
}

extension PEFTMeaning {
  fileprivate mutating func addDeLoRA() throws {
    for module in tensors.modules {
      try append(
        AddNormalisedLowRank(
          target: module.weight, a: try tensors.take("delora_A", of: module),
          b: try tensors.take("delora_B", of: module),
          strength: try tensors.take("delora_lambda", of: module),
          columnNorm: try tensors.take("delora_w_norm", of: module)))
    }
  }
}
