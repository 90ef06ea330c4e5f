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

  /// The paths that the result is made of too.
  var inputs: [FilePath] {
    let tokenizerFiles = tokenizer.map { folder in
      [folder] + TokenizerFiles.names.map { folder.appending($0) }
    }
    return [config].compactMap(\.self) + (tokenizerFiles ?? [])
  }
}
