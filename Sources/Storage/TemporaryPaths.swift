internal import Synchronization
internal import SystemPackage

/// The temporary files and folders of this process, so that an interrupted one can remove them.
public enum TemporaryPaths {
  private static let paths = Mutex<Set<FilePath>>([])

  /// Makes a file or folder. No removal comes between the making and the remembering.
  static func make<Value: Sendable>(
    _ path: FilePath, _ body: () throws(StorageError) -> Value
  ) throws(StorageError) -> Value {
    let result = paths.withLock { paths in
      let result = Result { () throws(StorageError) in try body() }
      if case .success = result { paths.insert(path) }
      return result
    }
    return try result.get()
  }

  static func forget(_ path: FilePath) {
    _ = paths.withLock { $0.remove(path) }
  }

  /// Removes them all and ends the process: other threads cannot make new ones meanwhile.
  public static func removeAll(thenExit exit: () -> Never) -> Never {
    paths.withLock { paths in
      // What is in a folder goes with it.
      for path in paths {
        if FileStatus(ofLink: path)?.isFolder == true {
          OutputFolder.remove(path)
        } else {
          Platform.removeFile(path)
        }
      }
      for path in paths { Platform.removeEmptyFolder(path) }
      exit()
    }
  }
}
