internal import Operations
internal import StrictJSON

/// GraLoRA (arXiv:2505.20355): a grid of low-rank changes.
///
/// | PEFT | here |
/// |---|---|
/// | `M.gralora_A` [k, in / k, r], `M.gralora_B` [k, r, out / k] | `add_grouped_low_rank` |
/// | `M.gralora_A_general`, `M.gralora_B_general` (`hybrid_r`) | `add_low_rank` |
/// | `alpha / (r + hybrid_r)` | both `scale`s |
extension PEFTMethod {
  static let graLoRA = PEFTMethod(
    type: "GRALORA", title: "GraLoRA",
    parts: ["gralora_A", "gralora_B", "gralora_A_general", "gralora_B_general"],
    fields: FieldRules(
      honoured: "alpha bias fan_in_fan_out gralora_k hybrid_r r",
      noEffect: "gralora_dropout init_weights"),
    read: { meaning, _ in try meaning.addGraLoRA() })
}

extension PEFTMeaning {
  fileprivate mutating func addGraLoRA() throws {
    let layouts = PEFTLayouts(config, tensors.modules.map(\.name))
    let hybrid =
      try config["hybrid_r"].map { _ in
        try config.number("hybrid_r")
      } ?? 0
    guard hybrid >= 0 else { throw InteropError.field("hybrid_r", "must not be negative") }
    let scale = try config.number("alpha") / (Double(try config.count("r")) + hybrid)
    for module in tensors.modules {
      var weight = module.weight
      (weight.layout, weight.layoutSource) = layouts.layout(of: module.name)
      let grouped = AddGroupedLowRank(
        target: weight, a: try tensors.take("gralora_A", of: module),
        b: try tensors.take("gralora_B", of: module), scale: scale)
      guard grouped.a.shape.first == (try config.count("gralora_k")) else {
        throw InteropError.tensors(
          "\(module.name): gralora_A is \(grouped.a.shape), not of gralora_k parts")
      }
      try append(grouped)
      guard let a = try tensors.takeIfThere("gralora_A_general", of: module) else { continue }
      try append(
        AddLowRank(
          target: weight, a: a, b: try tensors.take("gralora_B_general", of: module),
          scale: scale))
    }
  }
}
