internal import Checkpoints
internal import Operations

/// The adapter of llama.cpp, Ollama and their kin: a LoRA in one GGUF file.
struct GGUFFormat: WritableFormat {
  static let name = "gguf"

  var name: String { Self.name }
  var title: String { "a GGUF file" }
  var suffix: String? { ".gguf" }
  var usesBase: Bool { true }

  /// By its first bytes. A model in GGUF has them too, and is refused by name when it is read.
  func recognises(_ source: ForeignSource) -> Bool {
    source.kind == .file && source.head.starts(with: Array("GGUF".utf8))
  }

  func read(_ source: ForeignSource, _ choices: ImportChoices) throws -> ForeignImport {
    let reader = try GGUFReader(source.path)
    return try GGUFImport(reader, source.path, choices).result()
  }

  func export(_ adapter: Adapter, _ choices: ExportChoices) throws -> ForeignExport {
    guard let base = choices.base else {
      throw InteropError(
        .undecided(.base), "a GGUF adapter depends on its base: on its architecture and heads")
    }
    return try GGUFExport(adapter, for: GGUFModel(base)).result
  }
}
