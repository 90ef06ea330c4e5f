/// P-tuning (arXiv:2103.10385): PEFT saves what its encoder makes, and that is a prompt as any other.
extension PEFTMethod {
  static let pTuning = PEFTMethod(
    type: "P_TUNING", title: "P-tuning", parts: ["prompt_embeddings"],
    fields: promptFields.merging(
      FieldRules(
        noEffect: """
          encoder_dropout encoder_hidden_size encoder_num_layers encoder_reparameterization_type
          """)),
    hasEncoder: true,
    read: { meaning, _ in try meaning.addPrompt() })
}
