internal import StrictJSON

/// Trainable tokens alone: the rows that any method may have beside its own tensors, under a field of another
/// name.
extension PEFTMethod {
  static let trainableTokens = PEFTMethod(
    type: "TRAINABLE_TOKENS", title: "trainable tokens", parts: [],
    fields: FieldRules(honoured: "token_indices", noEffect: "init_weights"),
    tokenField: "token_indices", read: { _, _ in })
}
