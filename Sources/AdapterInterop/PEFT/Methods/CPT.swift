internal import StrictJSON

/// CPT (arXiv:2410.17222): a prompt that begins as embeddings of given tokens and may move a little from them. PEFT
/// saves the sum, and that is a prompt as any other.
extension PEFTMethod {
  static let cpt = PEFTMethod(
    type: "CPT", title: "CPT", parts: ["prompt_embeddings"],
    fields: promptFields.merging(
      FieldRules(
        noEffect: """
          cpt_mask cpt_token_ids cpt_tokens_type_mask opt_loss_decay_factor opt_projection_epsilon
          opt_projection_format_epsilon opt_weighted_loss_type tokenizer_name_or_path
          """)),
    read: { meaning, _ in try meaning.addPrompt() })
}
