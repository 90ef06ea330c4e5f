/// The files that transformers reads a tokenizer from.
package enum TokenizerFiles {
  /// Those that say which tokens there are.
  package static let vocabularies: Set<String> = [
    "added_tokens.json", "merges.txt", "special_tokens_map.json", "spiece.model",
    "tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt",
  ]

  /// All of them.
  package static let names = vocabularies.union([
    "chat_template.jinja", "chat_template.json", "tokenizer_config.json",
  ])
}
