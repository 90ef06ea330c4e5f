internal import Operations
internal import Storage
internal import StrictJSON

/// AdaLoRA (arXiv:2303.10512): a low-rank change with a diagonal, pruned to the ranks that mattered.
///
/// | PEFT | here |
/// |---|---|
/// | `M.lora_A` [r, in], `M.lora_B` [out, r], `M.lora_E` [r, 1] | `add_low_rank` with a `diagonal` |
/// | `lora_alpha / (init_r + 1e-5)` | `scale`: always the rank before pruning |
extension PEFTMethod {
  static let adaLoRA = PEFTMethod(
    type: "ADALORA", title: "AdaLoRA", parts: ["lora_A", "lora_B", "lora_E"],
    fields: loraFields.merging(
      FieldRules(
        honoured: "init_r",
        noEffect: "beta1 beta2 deltaT orth_reg_weight r target_r tfinal tinit total_step",
        only: Dictionary(
          uniqueKeysWithValues: [
            "use_dora", "lora_bias", "use_rslora", "target_parameters", "use_bdlora",
          ].map { ($0, .only([], reason: "AdaLoRA does not know it")) }))),
    read: { meaning, _ in try meaning.addAdaLoRA() })
}

extension PEFTMeaning {
  fileprivate mutating func addAdaLoRA() throws {
    let layouts = PEFTLayouts(config, tensors.modules.map(\.name))
    let alpha = try config.number("lora_alpha")
    guard alpha > 0 else {
      throw InteropError.field("lora_alpha", "must be positive, not \(alpha)")
    }
    let initial = try config.count("init_r")
    let pattern = try keptRanks()
    for module in tensors.modules where module.parts["trainable_tokens_delta"] == nil {
      var target = Target(Name("\(module.name).weight"))
      (target.layout, target.layoutSource) = layouts.layout(of: module.name)
      var low = AddLowRank(
        target: target, a: try tensors.take("lora_A", of: module),
        b: try tensors.take("lora_B", of: module), scale: alpha / (Double(initial) + 1e-5))
      low.diagonal = try tensors.take("lora_E", of: module)
      if let kept = keptRank(of: module.name, pattern), low.a.shape.first != kept {
        throw InteropError.tensors(
          "\(module.name): rank_pattern keeps \(kept), lora_A is \(low.a.shape)")
      }
      try append(low)
    }
  }

  private func keptRanks() throws -> [Name: JSONValue] {
    guard let pattern = config["rank_pattern"] else { return [:] }
    guard case .object(let members) = pattern else {
      throw InteropError.field("rank_pattern", "is not an object")
    }
    return Dictionary(members.map { ($0.key, $0.value) }) { first, _ in first }
  }

  /// How many ranks the pattern `{"M.lora_E": [true, false, …]}` keeps.
  private func keptRank(of module: Name, _ pattern: [Name: JSONValue]) -> Int? {
    let names = [
      Name("\(module).lora_E"), Name("model.\(module).lora_E"),
      Name("base_model.model.\(module).lora_E"),
    ]
    guard case .array(let flags) = names.lazy.compactMap({ pattern[$0] }).first else {
      return nil
    }
    return flags.filter { $0 == .boolean(true) }.count
  }
}
