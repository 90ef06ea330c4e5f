package import SystemPackage

extension FilePath {
  /// Refuses an output that is one of the inputs: the same file or folder on disk, whatever the path
  /// says. Of a folder all files count, for any of them may be read.
  ///
  /// - Throws: `StorageError.outputIsInput`.
  package func checkDistinct(from inputs: [FilePath]) throws(StorageError) {
    guard let target = FileStatus(of: self) else { return }
    for input in inputs {
      guard let status = FileStatus(of: input) else { continue }
      let names = status.isFolder ? (try? Platform.list(input)) ?? [] : []
      let files = names.compactMap { FileStatus(of: input.appending($0)) }
      guard !(files + [status]).contains(where: target.isSameFile) else {
        throw .outputIsInput(self)
      }
    }
  }
}
