internal import StrictJSON

/// CARTRIDGE (arXiv:2506.06266): keys and values that were trained themselves, the first of them frozen. PEFT saves
/// them together, as it does those of prefix tuning.
extension PEFTMethod {
  static let cartridge = PEFTMethod(
    type: "CARTRIDGE", title: "CARTRIDGE", parts: ["prompt_embeddings"],
    fields: prefixFields.merging(FieldRules(noEffect: "num_frozen_tokens")),
    answers: PrefixOrder.allCases.map { ImportChoices(prefixOrder: $0) },
    read: { meaning, choices in try meaning.addPrefix(choices.prefixOrder) })
}
