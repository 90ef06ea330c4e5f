package import SystemPackage

extension FilePath {
  /// The path, and of a folder what lies in it.
  package var withEntries: [FilePath] {
    guard FileStatus(of: self)?.isFolder == true else { return [self] }
    return [self] + ((try? Platform.list(self)) ?? []).map(appending)
  }

  /// Refuses an output that is one of the inputs: the same file or folder on disk, whatever the path
  /// says. Of a folder all files count, for any of them may be read.
  ///
  /// - Throws: `StorageError.outputIsInput`.
  package func checkDistinct(from inputs: [FilePath]) throws(StorageError) {
    guard let target = FileStatus(of: self) else { return }
    for input in inputs {
      guard !input.withEntries.compactMap(FileStatus.init(of:)).contains(where: target.isSameFile)
      else {
        throw .outputIsInput(self)
      }
    }
  }
}
