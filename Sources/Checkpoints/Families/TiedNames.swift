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
  private static let table: [(absent: Name, stored: [Name])] = [
    (
      "lm_head.weight",
      [
        "model.embed_tokens.weight", "transformer.wte.weight", "wte.weight",
        "transformer.word_embeddings.weight", "word_embeddings.weight",
        "model.decoder.embed_tokens.weight", "backbone.embeddings.weight", "shared.weight",
      ]
    ),
    ("proj_out.weight", ["model.decoder.embed_tokens.weight"]),
    ("encoder.embed_tokens.weight", ["shared.weight"]),
    ("decoder.embed_tokens.weight", ["shared.weight"]),
    ("cls.predictions.decoder.weight", ["bert.embeddings.word_embeddings.weight"]),
    ("cls.predictions.decoder.bias", ["cls.predictions.bias"]),
  ]

  /// Model types that tie where their configuration says nothing.
  private static let tyingModelTypes: Set<String> = [
    "bert", "bloom", "gemma", "gemma2", "gemma3_text", "gpt2", "mamba", "opt", "t5", "whisper",
  ]

  /// The stored tensor that `name` is tied to; nil where the checkpoint stores none of those it
  /// could be.
  public static func stored(for name: Name, in checkpoint: Checkpoint) -> Name? {
    table.first { $0.absent == name }?.stored.first { checkpoint.tensor($0) != nil }
  }

  /// Whether a parameter is an output layer that is tied to an embedding.
  public static func isHead(_ name: Name) -> Bool {
    ["lm_head.weight", "proj_out.weight", "cls.predictions.decoder.weight"].contains {
      name == $0 || name.hasSuffix(Name(".\($0)"))
    }
  }

  /// All other parameters that the model computes from the same tensor as `stored`.
  public static func partners(of stored: Name, in checkpoint: Checkpoint) -> [Name] {
    guard let first = partner(of: stored, in: checkpoint) else { return [] }
    // Of the heads that a table of many models lists, those of this one: the encoder-decoder has three.
    let heads = table.filter { $0.stored == [stored] && $0.absent != first }.map(\.absent)
    return [first] + (stored == "shared.weight" ? heads : [])
  }

  /// Another parameter that the model computes from the same tensor as `stored`; nil where there is
  /// none, or the model ties nothing.
  public static func partner(of stored: Name, in checkpoint: Checkpoint) -> Name? {
    let heads = table.filter { $0.stored.contains(stored) }.map(\.absent)
    let isStored = { (name: Name) in checkpoint.tensor(name) != nil }
    let says =
      checkpoint.config?.tiesWordEmbeddings
      ?? checkpoint.config?.modelType.flatMap { tyingModelTypes.contains($0) ? true : nil }
    if let head = heads.first(where: isStored) ?? heads.first {
      // Without a word: tied, where no head of its own is stored.
      return says ?? !heads.contains(where: isStored) ? head : nil
    }
    return says == true ? self.stored(for: stored, in: checkpoint) : nil
  }
}
