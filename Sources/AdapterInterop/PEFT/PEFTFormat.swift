internal import AdapterFormat
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// The folder that PEFT's `save_pretrained` writes.
struct PEFTFormat: WritableFormat {
  /// The name of the format in an `.adp` file.
  static let name = "peft"

  var name: String { Self.name }
  var title: String { "a PEFT folder" }
  var suffix: String? { nil }

  /// By its two files: one of them is named, or the folder holds one, or the pickle of older versions.
  func recognises(_ source: ForeignSource) -> Bool {
    switch source.kind {
    // MLX has a configuration of the same name.
    case .folder where source.names.contains("adapters.safetensors"): false
    case .folder:
      !Set(source.names).isDisjoint(with: [
        PEFTFolder.configName, PEFTFolder.weightsName, PEFTFolder.pickleName,
      ])
    case .file: [PEFTFolder.configName, PEFTFolder.weightsName].contains(source.name)
    case .stream, nil: false
    }
  }

  func read(
    _ source: ForeignSource, _ choices: ImportChoices
  ) throws -> ForeignImport {
    let imported = try PEFTImport(PEFTFolder(source.path), choices: choices)
    return try ForeignImport(imported.adapter, notes: imported.notes)
  }

  func export(_ adapter: Adapter, _ choices: ExportChoices) throws -> ForeignExport {
    try PEFTExport.export(adapter)
  }

  /// `task_type`, where it is one of a head.
  func task(of adapter: Adapter) -> ModelTask? {
    switch text("task_type", of: adapter) {
    case "SEQ_CLS": .sequenceClassification
    case "TOKEN_CLS": .tokenClassification
    case "QUESTION_ANS": .questionAnswering
    default: nil
    }
  }

  /// A text of the recorded configuration.
  private func text(_ field: Name, of adapter: Adapter) -> String? {
    guard let text = adapter.source?.config,
      case .object(let fields) = try? JSONValue(document: Array(text.utf8), maximumDepth: 16),
      case .string(let value) = fields.first(where: { $0.key == field })?.value
    else { return nil }
    return value
  }

  /// Biases that were trained, and that the adapter does not hold: PEFT before 0.21 did not save them with
  /// `bias` "lora_only".
  func doubts(about adapter: Adapter) -> [SourceDoubt] {
    guard let setting = text("bias", of: adapter), setting.hasSuffix("_only"),
      !adapter.operations.contains(where: { $0.target?.name.hasSuffix(".bias") == true })
    else { return [] }
    return [
      SourceDoubt(
        code: "biases_not_saved", subjects: [setting],
        sentence: "biases were trained (\(setting)) and are not in the file: its PEFT lost them")
    ]
  }
}
