internal import Synchronization
internal import SystemPackage

/// The temporary files and folders of this process, so that an interrupted one can remove them.
public enum TemporaryPaths {
  private static let paths = Mutex<Set<FilePath>>([])

  static func add(_ path: FilePath) {
    _ = paths.withLock { $0.insert(path) }
  }

  static func forget(_ path: FilePath) {
    _ = paths.withLock { $0.remove(path) }
  }

  /// Removes them all; the process is about to end.
  public static func removeAll() {
    paths.withLock { paths in
      for path in paths {
        if FileStatus(of: path)?.isFolder == true {
          OutputFolder.remove(path)
        } else {
          Platform.removeFile(path)
        }
      }
    }
  }
}
