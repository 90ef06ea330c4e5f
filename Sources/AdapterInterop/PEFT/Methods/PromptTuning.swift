internal import AdapterFormat
internal import Operations
internal import Storage
internal import StrictJSON

/// Prompt tuning (arXiv:2104.08691) and its kin: PEFT saves the rows that go before the input, whatever made them.
///
/// | PEFT | here |
/// |---|---|
/// | `prompt_embeddings` [n · submodules, dim] | `prepend_embeddings` of the first n rows |
/// | `num_transformer_submodules` 2 | `stream` encoder; the other rows are never read |
extension PEFTMethod {
  static let promptTuning = PEFTMethod(
    type: "PROMPT_TUNING", title: "prompt tuning", parts: ["prompt_embeddings"],
    fields: promptFields.merging(
      FieldRules(
        noEffect: """
          prompt_tuning_init prompt_tuning_init_text tokenizer_kwargs tokenizer_name_or_path
          """)),
    hasEncoder: true,
    read: { meaning, _ in try meaning.addPrompt() },
    writing: .promptTuning)

  /// The fields of every method that gives a model rows or keys and values.
  static let promptFields = FieldRules(
    honoured: "num_transformer_submodules num_virtual_tokens",
    noEffect: "num_attention_heads num_layers token_dim")
}

extension PEFTMeaning {
  /// Adds the rows that stand before the input.
  mutating func addPrompt() throws {
    let info = try promptEmbeddings()
    let count = try config.count("num_virtual_tokens")
    let parts =
      try config["num_transformer_submodules"].map { _ in
        try config.count("num_transformer_submodules")
      } ?? 1
    guard info.shape.dimensions.count == 2, parts <= 2, info.shape.dimensions[0] == count * parts
    else {
      throw InteropError.tensors(
        "prompt_embeddings is \(info.shape), not of \(parts) × num_virtual_tokens = \(count) rows")
    }
    let operand = try tensors.take(info)
    guard parts == 2 else {
      return try append(PrependEmbeddings(values: operand, stream: .decoder))
    }
    let width = info.shape.dimensions[1]
    let used = TypedOperand(.init(info.name, window: [0..<count, 0..<width]), in: info)
    tensors.noteUnused(
      info, window: [count..<2 * count, 0..<width],
      reason: "PEFT gives the encoder the first half, and the decoder nothing")
    try append(PrependEmbeddings(values: used, stream: .encoder))
  }

  /// The one tensor that a soft prompt or a prefix has.
  func promptEmbeddings() throws -> TensorInfo {
    let found = tensors.modules.compactMap { $0.parts["prompt_embeddings"] }
    guard let info = found.first, found.count == 1 else {
      throw InteropError.tensors("\(found.count) tensors are called prompt_embeddings, not one")
    }
    return info
  }
}
