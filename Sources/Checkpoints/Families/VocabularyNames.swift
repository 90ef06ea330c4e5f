public import StrictJSON

/// Modules whose weight has a row for each token of a vocabulary.
public enum VocabularyNames {
  private static let leaves: Set<String> = [
    "embed_tokens", "lm_head", "wte", "word_embeddings", "shared", "embed_out", "embed_in",
    "tok_embeddings", "embeddings", "output", "proj_out",
  ]

  /// Whether a parameter is such a weight, by the name of its module.
  public static func isOne(_ parameter: Name) -> Bool {
    let path = parameter.text.split(separator: ".")
    return path.last == "weight" && leaves.contains(path.dropLast().last.map(String.init) ?? "")
  }
}
