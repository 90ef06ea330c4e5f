public import StrictJSON

/// Parameters that share one stored tensor, and so may be absent under one of their names.
///
/// | model | absent name | stored as |
/// |---|---|---|
/// | Llama, Qwen2, Mistral, Gemma | `lm_head.weight` | `model.embed_tokens.weight` |
/// | GPT-2 | `lm_head.weight` | `transformer.wte.weight`, on the Hub `wte.weight` |
/// | BLOOM | `lm_head.weight` | `transformer.word_embeddings.weight`, `word_embeddings.weight` |
/// | OPT | `lm_head.weight` | `model.decoder.embed_tokens.weight` |
/// | Mamba | `lm_head.weight` | `backbone.embeddings.weight` |
/// | T5 | `lm_head.weight`, `encoder.embed_tokens.weight`, `decoder.embed_tokens.weight` | `shared.weight` |
/// | Whisper | `proj_out.weight` | `model.decoder.embed_tokens.weight` |
/// | BERT | `cls.predictions.decoder.weight` | `bert.embeddings.word_embeddings.weight` |
/// | BERT | `cls.predictions.decoder.bias` | `cls.predictions.bias` |
public enum TiedNames {
  private static let table: [Name: [Name]] = [
    "lm_head.weight": [
      "model.embed_tokens.weight", "transformer.wte.weight", "wte.weight",
      "transformer.word_embeddings.weight", "word_embeddings.weight",
      "model.decoder.embed_tokens.weight", "backbone.embeddings.weight", "shared.weight",
    ],
    "encoder.embed_tokens.weight": ["shared.weight"],
    "decoder.embed_tokens.weight": ["shared.weight"],
    "proj_out.weight": ["model.decoder.embed_tokens.weight"],
    "cls.predictions.decoder.weight": ["bert.embeddings.word_embeddings.weight"],
    "cls.predictions.decoder.bias": ["cls.predictions.bias"],
  ]

  /// The stored tensor that `name` is tied to; nil where the checkpoint stores none of those it
  /// could be.
  public static func stored(for name: Name, in checkpoint: Checkpoint) -> Name? {
    table[name]?.first { checkpoint.tensor($0) != nil }
  }

  /// Another parameter that the model computes from the same tensor as `stored`; nil where there is
  /// none, or the model says that it ties nothing.
  public static func partner(of stored: Name, in checkpoint: Checkpoint) -> Name? {
    guard let flag = checkpoint.config?.tiesWordEmbeddings ?? defaultTie(stored, checkpoint), flag
    else { return nil }
    if let partner = table.first(where: { $0.value.contains(stored) })?.key { return partner }
    return self.stored(for: stored, in: checkpoint)
  }

  /// Without a word in the configuration: tied, where the head is not stored.
  private static func defaultTie(_ stored: Name, _ checkpoint: Checkpoint) -> Bool? {
    guard let head = table.first(where: { $0.value.contains(stored) })?.key else { return nil }
    return checkpoint.tensor(head) == nil
  }
}
