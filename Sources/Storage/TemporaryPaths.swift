internal import SystemPackage

/// The temporary files and folders of this process, so that an interrupted one can remove them.
public enum TemporaryPaths {
  private static let paths = Guarded<Set<FilePath>>([])

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

  /// Makes a file that has no name any more: its bytes go with its last descriptor. It is on the file system of a
  /// neighbour, or of temporary files.
  static func makeNameless(beside neighbour: FilePath? = nil) throws(StorageError) -> FileDescriptor
  {
    let path = (neighbour ?? Platform.temporaryFolder.appending("adapter")).temporarySibling
    let descriptor = try make(path) { () throws(StorageError) in
      let descriptor = try withErrno("write", path) { () throws in
        try FileDescriptor.open(
          path, .readWrite, options: [.create, .exclusiveCreate, .closeOnExec],
          permissions: [.ownerReadWrite])
      }
      Platform.removeFile(path)
      return descriptor
    }
    forget(path)
    return descriptor
  }

  /// Ends that files and folders are temporary, by giving them their names. No removal comes between that and the forgetting:
  /// what is being removed gets no name, and what has one is not removed.
  static func settle(
    _ settled: [FilePath], _ body: () throws(StorageError) -> Void
  ) throws(StorageError) {
    let result = paths.withLock { paths in
      let result = Result { () throws(StorageError) in try body() }
      if case .success = result { paths.subtract(settled) }
      return result
    }
    try result.get()
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
