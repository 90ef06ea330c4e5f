internal import StrictJSON

/// Parameters that transformers keeps under other names in memory, where adapters are trained, than in
/// files.
///
/// | family | in memory | in files |
/// |---|---|---|
/// | GPT-NeoX | `lm_head.` | `embed_out.` |
/// | LLaVA, Gemma 3 | `model.language_model.`, `lm_head.`, `model.vision_tower.`, `model.multi_modal_projector.` | `language_model.model.`, `language_model.lm_head.`, `vision_tower.`, `multi_modal_projector.` |
/// | Qwen2-VL | `model.language_model.`, `model.visual.` | `model.`, `visual.` |
/// | old BERT files | `….LayerNorm.weight`, `….LayerNorm.bias` | `….LayerNorm.gamma`, `….LayerNorm.beta` |
enum RenamedParameters {
  private struct Family {
    let name: String
    var prefixes: [(memory: Name, file: Name)] = []
    var suffixes: [(memory: Name, file: Name)] = []
  }

  private static let families = [
    Family(name: "gpt_neox", prefixes: [("lm_head.", "embed_out.")]),
    Family(
      name: "llava",
      prefixes: [
        ("model.language_model.", "language_model.model."), ("lm_head.", "language_model.lm_head."),
        ("model.vision_tower.", "vision_tower."),
        ("model.multi_modal_projector.", "multi_modal_projector."),
      ]),
    Family(
      name: "qwen2_vl",
      prefixes: [("model.language_model.", "model."), ("model.visual.", "visual.")]),
    Family(
      name: "gamma_beta",
      suffixes: [
        ("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta"),
      ]),
  ]

  /// The families' names and what each makes of a parameter's name.
  static let rules: [(family: String, rename: @Sendable (Name) -> Name)] = families.map { family in
    (family.name, { name in rename(name, family) })
  }

  private static func rename(_ name: Name, _ family: Family) -> Name {
    if let (memory, file) = family.prefixes.first(where: { name.hasPrefix($0.memory) }) {
      return Name(file.text + name.dropFirst(memory.text.utf8.count).text)
    }
    if let (memory, file) = family.suffixes.first(where: { name.hasSuffix($0.memory) }) {
      return Name(name.dropLast(memory.text.utf8.count).text + file.text)
    }
    return name
  }
}
