public import AdapterFormat
public import Checkpoints
public import Operations

/// A format that adapters are shipped in, other than ours: everything that is known of it is in one folder,
/// and `Formats` lists it.
///
/// | it says | asked by |
/// |---|---|
/// | whether a path holds an adapter of it, by what is there | the one classifier of paths, `PathContents` |
/// | what that adapter does: operations, tensors, notes | every command that takes an adapter |
/// | how operations are written in it, and what is lost, if it is a `WritableFormat` | `convert` |
/// | what may be wrong with an adapter that came from it | `inspect`, and the receipts |
public protocol ForeignFormat: Sendable {
  /// Its name for programs: in `source.format` of an `.adp` file, and in JSON.
  var name: String { get }
  /// An adapter of it, for people.
  var title: String { get }
  /// True if the things that it recognises are checkpoints as well. A checkpoint stands for an adapter only if an
  /// adapter is asked for.
  var isCheckpoint: Bool { get }
  /// True if its tensors are the tuned model's own values, better held as differences if the base is at hand.
  var holdsTunedValues: Bool { get }

  /// Returns true if this is an adapter of the format, by the names in a folder or the contents of a file. The format
  /// is asked first without a header of safetensors, which costs more to read, and then with one.
  func recognises(_ source: ForeignSource) -> Bool

  /// Reads an adapter that was recognised.
  ///
  /// - Throws: `InteropError` where anything of it is not understood.
  func read(_ source: ForeignSource, _ choices: ImportChoices) throws -> ForeignImport

  /// Returns the task that an adapter from the format was trained for; nil if it does not state one.
  func task(of adapter: Adapter) -> ModelTask?

  /// Returns the doubts about an adapter from the format: it may lack something, or act otherwise than its maker
  /// thinks.
  func doubts(about adapter: Adapter) -> [SourceDoubt]
}

extension ForeignFormat {
  /// It is nothing else.
  public var isCheckpoint: Bool { false }
  /// They are changes.
  public var holdsTunedValues: Bool { false }

  /// It does not say so.
  public func task(of adapter: Adapter) -> ModelTask? { nil }
  /// None.
  public func doubts(about adapter: Adapter) -> [SourceDoubt] { [] }
}

/// A foreign format that adapters are written in as well.
public protocol WritableFormat: ForeignFormat {
  /// The suffix of its file; nil where it is a folder.
  var suffix: String? { get }
  /// True of a format for which the base tells more than the adapter does.
  var usesBase: Bool { get }

  /// Works out how an adapter is written in the format. Nothing is written yet.
  ///
  /// - Throws: `InteropError` where the adapter cannot be read, a choice is missing that the format needs, or it has no
  ///   place for anything of the adapter.
  func export(_ adapter: Adapter, _ choices: ExportChoices) throws -> ForeignExport
}

extension WritableFormat {
  /// The adapter says it all.
  public var usesBase: Bool { false }

  /// Leaves every choice to the adapter.
  ///
  /// - Throws: as with choices.
  public func export(_ adapter: Adapter) throws -> ForeignExport {
    try export(adapter, ExportChoices())
  }
}

/// A foreign adapter as one of ours.
public struct ForeignImport: Sendable {
  /// The adapter.
  public let adapter: Adapter
  /// Notes for the user on the conversion.
  public let notes: [String]
  /// The file's own metadata, for that of an `.adp` file (Spec/adp-v1.md, section 5.4).
  public let metadata: [Manifest.MetadataEntry]

  /// Pairs an adapter with what is known besides.
  ///
  /// - Throws: `FormatError` where no file of ours could hold it: of a name with a control character, say.
  public init(
    _ adapter: Adapter, notes: [String] = [], metadata: [Manifest.MetadataEntry] = []
  ) throws(FormatError) {
    try adapter.checkExpressible()
    self.adapter = adapter
    self.notes = notes
    self.metadata = metadata
  }
}
