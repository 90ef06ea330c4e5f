internal import Operations
internal import StrictJSON

/// HiRA: a low-rank factor of every weight.
///
/// | PEFT | here |
/// |---|---|
/// | `M.hira_A` [r, in, k…], `M.hira_B` [out, r, 1…] | `scale_low_rank` |
/// | `M.hira_embedding_A` [r, rows], `M.hira_embedding_B` [dim, r] | the same, stored `in_out` |
///
/// Its rank_pattern is written and not obeyed by PEFT 0.21: the tensors tell the rank.
extension PEFTMethod {
  static let hira = PEFTMethod(
    type: "HIRA", title: "HiRA",
    parts: ["hira_A", "hira_B", "hira_embedding_A", "hira_embedding_B"],
    fields: FieldRules(
      honoured: "fan_in_fan_out", noEffect: "hira_dropout init_weights r rank_pattern"),
    read: { meaning, _ in try meaning.addHiRA() })
}

extension PEFTMeaning {
  fileprivate mutating func addHiRA() throws {
    let layouts = PEFTLayouts(config, tensors.modules.map(\.name))
    for module in tensors.modules {
      let isEmbedding = module.parts["hira_embedding_A"] != nil
      let stem = isEmbedding ? "hira_embedding" : "hira"
      var change = ScaleLowRank(
        target: module.weight, a: try tensors.take("\(stem)_A", of: module),
        b: try tensors.take("\(stem)_B", of: module))
      (change.target.layout, change.target.layoutSource) =
        isEmbedding ? (.inOut, .sure) : layouts.layout(of: module.name, change.a.shape.count > 2)
      try append(change)
    }
  }
}
