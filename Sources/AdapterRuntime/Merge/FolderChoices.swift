public import Checkpoints
public import SystemPackage

/// What is decided of the files beside the weights of a merged folder.
public struct FolderChoices: Sendable {
  /// What a new head was trained for.
  public var task: ModelTask?
  /// The file that takes the place of the base's `config.json`.
  public var config: FilePath?
  /// The folder whose tokenizer the result gets.
  public var tokenizer: FilePath?

  /// Leaves everything to the base and the adapters, but for what is given.
  public init(task: ModelTask? = nil, config: FilePath? = nil, tokenizer: FilePath? = nil) {
    self.task = task
    self.config = config
    self.tokenizer = tokenizer
  }

  /// The files that it names.
  var files: [FilePath] { [config, tokenizer].compactMap(\.self) }
}
