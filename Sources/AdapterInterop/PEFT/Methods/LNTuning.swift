internal import Operations
internal import StrictJSON

/// LN tuning (arXiv:2312.11420): the norms, trained in full.
///
/// | PEFT | here |
/// |---|---|
/// | `M.ln_tuning_layers.weight`, `.bias` | `replace` on `M.weight`, `M.bias` |
extension PEFTMethod {
  static let lnTuning = PEFTMethod(
    type: "LN_TUNING", title: "LN tuning", parts: ["ln_tuning_layers"], fields: FieldRules(),
    read: { meaning, _ in try meaning.addNorms() })
}

extension PEFTMeaning {
  fileprivate mutating func addNorms() throws {
    for module in tensors.modules {
      for (part, leaf) in [("ln_tuning_layers", "weight"), ("ln_tuning_layers.bias", "bias")] {
        guard let value = try tensors.takeIfThere(part, of: module) else { continue }
        try append(Replace(target: Target(Name("\(module.name).\(leaf)")), value: value))
      }
    }
  }
}
