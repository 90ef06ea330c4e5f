public import SystemPackage

/// A folder that appears whole or not at all: filled under a temporary name, then renamed.
public final class OutputFolder {
  /// Where the folder will be.
  public let target: FilePath
  /// Where its files are written until then.
  public let temporary: FilePath
  private let replaces: Bool
  private var isCommitted = false

  /// Makes the temporary folder.
  ///
  /// - Parameters:
  ///   - target: where the folder will be.
  ///   - names: the files that it will hold.
  ///   - replacing: whether a folder that is there may be replaced. It never is where it holds
  ///     anything else: nothing is deleted that is not written anew. An empty one always may.
  /// - Throws: `outputExists`, `outputHoldsOther`, `outputIsLink`, or `system` where the parent
  ///   cannot be written to.
  public init(
    _ target: FilePath, names: [String], replacing: Bool
  ) throws(StorageError) {
    self.target = target
    replaces = FileStatus(ofLink: target) != nil
    if replaces { try Self.check(target, names: Set(names), replacing: replacing) }
    let temporary = target.temporarySibling
    try TemporaryPaths.make(temporary) { () throws(StorageError) in
      try Platform.makeFolder(temporary, for: target)
    }
    self.temporary = temporary
  }

  deinit {
    guard !isCommitted else { return }
    OutputFolder.remove(temporary)
    TemporaryPaths.forget(temporary)
  }

  private static func check(
    _ target: FilePath, names: Set<String>, replacing: Bool
  ) throws(StorageError) {
    guard FileStatus(ofLink: target)?.isFolder == true else {
      let isLink = FileStatus(of: target)?.isFolder == true
      throw isLink ? .outputIsLink(target) : .outputExists(target)
    }
    let present = try Platform.list(target)
    guard !present.isEmpty else { return }
    guard replacing else { throw .outputExists(target) }
    for name in present {
      let isFile = FileStatus(ofLink: target.appending(name))?.isRegular == true
      guard isFile, names.contains(name) else { throw .outputHoldsOther(target, name) }
    }
  }

  /// Gives the folder its name. One that was there changes places with it, in one step, and is
  /// removed then.
  public func commit() throws(StorageError) {
    try Platform.rename(temporary, to: target, replaces ? .exchange : .refuse)
    isCommitted = true
    if replaces { OutputFolder.remove(temporary) }
    TemporaryPaths.forget(temporary)
    try OutputFile.synchroniseFolder(of: target)
  }

  /// Removes a folder of plain files. Anything deeper stays: this tool never writes it.
  static func remove(_ folder: FilePath) {
    for name in (try? Platform.list(folder)) ?? [] {
      Platform.removeFile(folder.appending(name))
    }
    Platform.removeEmptyFolder(folder)
  }
}
