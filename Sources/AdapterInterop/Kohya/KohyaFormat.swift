internal import Checkpoints
internal import Operations
internal import Storage

/// The file of kohya's sd-scripts and of LyCORIS, which most programs for images read.
struct KohyaFormat: WritableFormat {
  static let name = "kohya"

  var name: String { Self.name }
  var title: String { "a file of kohya's scripts" }
  var suffix: String? { ".safetensors" }

  /// By the names of its tensors: one that is a module's, and of a leaf that is known.
  func recognises(_ source: ForeignSource) -> Bool {
    source.tensors?.header.tensors.contains { KohyaKey($0.info.name) != nil } ?? false
  }

  func read(_ source: ForeignSource, _ choices: ImportChoices) throws -> ForeignImport {
    try KohyaImport(source.openTensors(), source.path, choices).result()
  }

  func export(_ adapter: Adapter, _ choices: ExportChoices) throws -> ForeignExport {
    try KohyaExport(adapter, choices).result
  }
}
