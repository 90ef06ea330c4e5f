public import Checkpoints
public import Operations

/// A format that adapters are shipped in, other than ours: everything that is known of it is in one folder,
/// and `Formats` lists it.
///
/// | it says | asked by |
/// |---|---|
/// | whether a path holds an adapter of it, by what is there | the one classifier of paths, `PathContents` |
/// | what that adapter does: operations, tensors, notes | every command that takes an adapter |
/// | how operations are written in it, and what is lost | `convert` |
/// | what may be wrong with an adapter that came from it | `inspect`, and the receipts |
public protocol ForeignFormat: Sendable {
  /// Its name for programs: in `source.format` of an `.adp` file, and in JSON.
  var name: String { get }
  /// An adapter of it, for people.
  var title: String { get }
  /// Whether what it recognises is a checkpoint as well, which stands for an adapter only where one is asked
  /// for.
  var isCheckpoint: Bool { get }
  /// Whether its tensors are the tuned model's own values, better held as differences where the base is at
  /// hand.
  var holdsTunedValues: Bool { get }

  /// Whether it is written as one file, not as a folder.
  var isFile: Bool { get }

  /// Whether this is an adapter of the format, by the names in a folder or the contents of a file. It is asked
  /// first without a header of safetensors, which costs more to read, and then with one.
  func recognises(_ source: ForeignSource) -> Bool

  /// Reads an adapter that was recognised.
  ///
  /// - Throws: `InteropError` where anything of it is not understood.
  func read(_ source: ForeignSource, _ choices: ImportChoices) throws -> ForeignImport

  /// Works out how an adapter is written in the format; nil where it is only read. Nothing is written yet.
  ///
  /// - Parameters:
  ///   - adapter: the adapter.
  ///   - base: the base, for a format that depends on it; nil where none is at hand.
  /// - Throws: `InteropError` where the adapter cannot be read, or the format has no place for anything of it.
  /// - Returns: the files and what is lost; nil where the format is only read.
  func export(_ adapter: Adapter, for base: Checkpoint?) throws -> ForeignExport?

  /// What an adapter that came from the format was trained for, where it says so.
  func task(of adapter: Adapter) -> ModelTask?

  /// What an adapter that came from the format may lack, or do otherwise than its maker thinks.
  func doubts(about adapter: Adapter) -> [SourceDoubt]
}

extension ForeignFormat {
  /// It is nothing else.
  public var isCheckpoint: Bool { false }
  /// It is a folder.
  public var isFile: Bool { false }
  /// They are changes.
  public var holdsTunedValues: Bool { false }

  /// The same without a base.
  ///
  /// - Throws: as with one; also where the format needs it.
  /// - Returns: as with one.
  public func export(_ adapter: Adapter) throws -> ForeignExport? {
    try export(adapter, for: nil)
  }

  /// It is only read.
  public func export(_ adapter: Adapter, for base: Checkpoint?) throws -> ForeignExport? { nil }

  /// It does not say so.
  public func task(of adapter: Adapter) -> ModelTask? { nil }
  /// None.
  public func doubts(about adapter: Adapter) -> [SourceDoubt] { [] }
}

/// A foreign adapter as one of ours.
public struct ForeignImport: Sendable {
  /// The adapter.
  public let adapter: Adapter
  /// What a user should know of the conversion.
  public let notes: [String]

  init(_ adapter: Adapter, notes: [String] = []) {
    self.adapter = adapter
    self.notes = notes
  }
}
