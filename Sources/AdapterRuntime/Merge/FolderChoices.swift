public import Checkpoints
public import SystemPackage

/// The decisions about the files beside the weights of a merged folder.
public struct FolderChoices: Sendable {
  /// The file name of a model card.
  package static let cardName = "README.md"
  /// A line that shows of a card that it is of such a merge, and not the base's own.
  package static let cardMark = "<!-- written by adapter merge -->"

  /// The task that a new head was trained for.
  public var task: ModelTask?
  /// The file that takes the place of the base's `config.json`.
  public var config: FilePath?
  /// The folder whose tokenizer the result gets.
  public var tokenizer: FilePath?
  /// The text of a `README.md` for a result whose base has none, or one that an earlier merge has written. Without it such
  /// a one is left behind: it would not be true of the result.
  public var card: String?

  /// Leaves everything to the base and the adapters, but for what is given.
  public init(
    task: ModelTask? = nil, config: FilePath? = nil, tokenizer: FilePath? = nil,
    card: String? = nil
  ) {
    self.task = task
    self.config = config
    self.tokenizer = tokenizer
    self.card = card
  }

  /// The paths that the result is made of too.
  var inputs: [FilePath] {
    let tokenizerFiles = tokenizer.map { folder in
      [folder] + TokenizerFiles.names.map { folder.appending($0) }
    }
    return [config].compactMap(\.self) + (tokenizerFiles ?? [])
  }
}
