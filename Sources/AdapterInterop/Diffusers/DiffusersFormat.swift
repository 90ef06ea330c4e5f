internal import Checkpoints
internal import Operations
internal import Storage

/// The LoRA of diffusers, `pytorch_lora_weights.safetensors`, and of programs that write its names.
struct DiffusersFormat: WritableFormat {
  static let name = "diffusers"

  var name: String { Self.name }
  var title: String { "a LoRA of diffusers" }
  var suffix: String? { ".safetensors" }

  /// By the names of its tensors: pairs of a part of a pipeline, or any pairs where the header has its configuration.
  func recognises(_ source: ForeignSource) -> Bool {
    guard let header = source.tensors?.header else { return false }
    let isDescribed = header.metadata?.contains { $0.key == DiffusersConfig.key } ?? false
    return header.tensors.contains { tensor in
      guard let key = DiffusersKey(tensor.info.name), key.part == .a || key.part == .b else {
        return false
      }
      return key.component != nil || isDescribed
    }
  }

  func read(_ source: ForeignSource, _ choices: ImportChoices) throws -> ForeignImport {
    try DiffusersImport(source.openTensors(), source.path, choices).result
  }

  func export(_ adapter: Adapter, _ choices: ExportChoices) throws -> ForeignExport {
    try DiffusersExport(adapter, choices).result
  }
}
