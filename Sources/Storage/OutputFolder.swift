public import SystemPackage

/// A folder that appears whole or not at all: filled under a temporary name, then renamed.
public final class OutputFolder {
  /// Where the folder will be.
  public let target: FilePath
  /// Where its files are written until then.
  public let temporary: FilePath
  private let replacing: Bool
  private var isCommitted = false

  /// Makes the temporary folder.
  ///
  /// - Parameters:
  ///   - target: where the folder will be.
  ///   - replacing: whether a folder that is there may be replaced; an empty one always may.
  /// - Throws: `outputExists`, or `system` where the parent cannot be written to.
  public init(_ target: FilePath, replacing: Bool) throws(StorageError) {
    if let existing = FileStatus(of: target) {
      guard existing.isFolder else { throw .outputExists(target) }
      let isEmpty = try Platform.list(target).isEmpty
      guard replacing || isEmpty else { throw .outputExists(target) }
    }
    // "out/" has an empty last name on no system: FilePath drops the trailing separator.
    self.target = target
    self.replacing = replacing
    temporary = target.temporarySibling
    try Platform.makeFolder(temporary)
    TemporaryPaths.add(temporary)
  }

  deinit {
    guard !isCommitted else { return }
    OutputFolder.remove(temporary)
    TemporaryPaths.forget(temporary)
  }

  /// Gives the folder its name. A folder that was there is moved aside first and removed last, so
  /// that at every moment one of the two is there whole.
  public func commit() throws(StorageError) {
    if FileStatus(of: target) != nil {
      let old = target.temporarySibling
      try Platform.rename(target, to: old)
      do throws(StorageError) {
        try Platform.rename(temporary, to: target)
      } catch {
        try Platform.rename(old, to: target)
        throw error
      }
      OutputFolder.remove(old)
    } else {
      try Platform.rename(temporary, to: target)
    }
    isCommitted = true
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
