internal import Storage
internal import SystemPackage

/// Refuses an output that is one of the inputs: the same file or folder on disk, whatever the path
/// says. Of a folder all files count, for any of them may be read.
func checkDistinct(_ output: String, from inputs: [FilePath]) throws(Failure) {
  guard let target = FileStatus(of: FilePath(output)) else { return }
  for input in inputs {
    guard let status = FileStatus(of: input) else { continue }
    let names = status.isFolder ? (try? Platform.list(input)) ?? [] : []
    let files = names.compactMap { FileStatus(of: input.appending($0)) }
    if (files + [status]).contains(where: target.isSameFile) {
      throw Failure(.outputIsInput(FilePath(output)))
    }
  }
}
