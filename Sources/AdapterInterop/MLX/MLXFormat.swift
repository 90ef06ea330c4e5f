internal import Checkpoints
internal import Operations
internal import Storage

/// The folder that mlx-lm trains into and loads, and mlx-swift-lm.
struct MLXFormat: WritableFormat {
  static let name = "mlx"
  static let weightsName = "adapters.safetensors"

  var name: String { Self.name }
  var title: String { "an MLX folder" }
  var suffix: String? { nil }
  var usesBase: Bool { true }

  /// By the name of its weights, which no other folder has.
  func recognises(_ source: ForeignSource) -> Bool {
    switch source.kind {
    case .folder: source.names.contains(Self.weightsName)
    case .file: source.name == Self.weightsName
    case .stream, nil: false
    }
  }

  func read(_ source: ForeignSource, _ choices: ImportChoices) throws -> ForeignImport {
    let folder = source.kind == .folder ? source.path : source.path.parent
    return try MLXImport(folder, choices).result()
  }

  func export(_ adapter: Adapter, _ choices: ExportChoices) throws -> ForeignExport {
    try MLXExport(adapter, for: choices.base).result
  }
}
