internal import Checkpoints
internal import Operations
internal import Storage

/// The LoRA of diffusers, `pytorch_lora_weights.safetensors`, and of programs that write its names.
struct DiffusersFormat: WritableFormat {
  static let name = "diffusers"

  var name: String { Self.name }
  var title: String { "a LoRA of diffusers" }
  var suffix: String? { ".safetensors" }

  /// By the names of its tensors: pairs of a part of a pipeline, or nothing but pairs that are not PEFT's.
  func recognises(_ source: ForeignSource) -> Bool {
    guard let header = source.tensors?.header, !header.tensors.isEmpty else { return false }
    let keys = header.tensors.map { DiffusersKey($0.info.name) }
    let pairs = keys.compactMap { $0 }.filter { [.a, .b].contains($0.part) }
    return !pairs.isEmpty
      && (pairs.contains { $0.component != nil } || keys.allSatisfy { $0 != nil })
  }

  func read(_ source: ForeignSource, _ choices: ImportChoices) throws -> ForeignImport {
    try DiffusersImport(source.openTensors(), source.path, choices).result()
  }

  func export(_ adapter: Adapter, _ choices: ExportChoices) throws -> ForeignExport {
    try DiffusersExport(adapter, choices).result
  }
}
