// The calls of the C library that swift-system does not offer, each in one place, and what stands for those of Linux
// where it is another system.
internal import CPlatform

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif
package import SystemPackage

var lastError: Errno { Errno(rawValue: errno) }

/// Calls once more what a signal has interrupted, be it one that only stopped the process for a while.
private func retrying(_ call: () -> Int32) -> Int32 {
  while true {
    let status = call()
    guard status != 0, lastError == .interrupted else { return status }
  }
}

/// The C library's file calls, with the operation and the path in their errors.
package enum Platform {
  /// Waits until the bytes are on the disk.
  package static func synchronise(
    _ descriptor: FileDescriptor, path: FilePath
  ) throws(StorageError) {
    #if canImport(Darwin)
      // There `fsync` ends when the disk has the bytes in its own cache. Some file systems cannot do more.
      if retrying({ fcntl(descriptor.rawValue, F_FULLFSYNC) }) == 0 { return }
    #endif
    guard retrying({ fsync(descriptor.rawValue) }) == 0 else {
      throw .system(operation: "write", path: path, code: lastError)
    }
  }

  /// The same for files and folders that nobody has open. Many of them take one call, where the system has one for all
  /// that a file system holds.
  static func synchronise(_ paths: [FilePath], for target: FilePath) throws(StorageError) {
    #if !canImport(Darwin)
      let isDone = paths.count > 32 ? try synchroniseFileSystem(of: paths[0], for: target) : false
      if isDone { return }
    #endif
    for path in paths {
      let file = try withErrno("write", target) { () throws in
        try FileDescriptor.open(path, .readOnly, options: [.closeOnExec])
      }
      defer { try? file.close() }
      try synchronise(file, path: target)
    }
  }

  #if !canImport(Darwin)
    private static func synchroniseFileSystem(
      of path: FilePath, for target: FilePath
    ) throws(StorageError) -> Bool {
      let file = try withErrno("write", target) { () throws in
        try FileDescriptor.open(path, .readOnly, options: [.closeOnExec])
      }
      defer { try? file.close() }
      if retrying({ syncfs(file.rawValue) }) == 0 { return true }
      guard lacksCall(lastError) else {
        throw .system(operation: "write", path: target, code: lastError)
      }
      return false
    }
  #endif

  /// Begins to write dirty pages back without waiting for it, where the system can: Darwin cannot.
  package static func beginWriteback(_ descriptor: FileDescriptor, at offset: Int, count: Int) {
    #if !canImport(Darwin)
      _ = sync_file_range(
        descriptor.rawValue, off_t(offset), off_t(count), 2 /* SYNC_FILE_RANGE_WRITE */)
    #endif
  }

  /// Sets a new file's length and, where the file system can, claims its blocks: writing is then
  /// several times faster, and a full disk shows at once.
  package static func allocate(
    _ descriptor: FileDescriptor, size: UInt64, path: FilePath
  ) throws(StorageError) {
    guard let length = off_t(exactly: size) else {
      throw .system(operation: "write", path: path, code: .fileTooLarge)
    }
    // Memory is claimed by the threads that write: one alone would take as long for it as for a copy.
    if length > 0, !isInMemory(descriptor), claimBlocks(descriptor, length) != 0 {
      let code = lastError
      guard [.notSupportedOnSocket, .notSupported, .noFunction, .invalidArgument].contains(code)
      else { throw .system(operation: "write", path: path, code: code) }
    }
    guard retrying({ ftruncate(descriptor.rawValue, length) }) == 0 else {
      throw .system(operation: "write", path: path, code: lastError)
    }
  }

  private static func claimBlocks(_ descriptor: FileDescriptor, _ length: off_t) -> Int32 {
    #if canImport(Darwin)
      // From the end of the blocks that the file has, which are none; its length stays what it is.
      var blocks = fstore_t(
        fst_flags: UInt32(F_ALLOCATEALL), fst_posmode: F_PEOFPOSMODE, fst_offset: 0,
        fst_length: length, fst_bytesalloc: 0)
      return retrying { unsafe fcntl(descriptor.rawValue, F_PREALLOCATE, &blocks) }
    #else
      return retrying { fallocate(descriptor.rawValue, 0, 0, length) }
    #endif
  }

  /// Sets who may do what with an open file or folder. A file system that keeps no modes is left as it is.
  static func setMode(
    _ descriptor: FileDescriptor, _ mode: CInterop.Mode, path: FilePath
  ) throws(StorageError) {
    guard retrying({ fchmod(descriptor.rawValue, mode_t(mode)) }) == 0 else {
      let code = lastError
      guard [.notSupported, .noFunction, .invalidArgument].contains(code) else {
        throw .system(operation: "write", path: path, code: code)
      }
      return
    }
  }

  /// Gives an open file or folder to a user and a group, or at least to the group, where this process may do that.
  static func giveTo(_ descriptor: FileDescriptor, owner: UInt32, group: UInt32) {
    if fchown(descriptor.rawValue, owner, group) == 0 { return }
    _ = fchown(descriptor.rawValue, uid_t.max, group)
  }

  /// The behaviour of a rename if the target exists.
  package enum Collision {
    /// Replaces it; a folder only where it is empty.
    case replace
    /// Fails.
    case refuse
    /// Gives it the old name.
    case exchange
  }

  package static func rename(
    _ old: FilePath, to new: FilePath, _ collision: Collision
  ) throws(StorageError) {
    let status = unsafe old.withPlatformString { old in
      unsafe new.withPlatformString { new in unsafe renameCall(old, new, collision) }
    }
    guard status == 0 else {
      let code = lastError
      guard code != .fileExists else { throw .outputExists(new) }
      guard collision == .refuse, lacksCall(code) else {
        throw .system(operation: "write", path: new, code: code)
      }
      guard FileStatus(ofLink: new) == nil else { throw .outputExists(new) }
      return try rename(old, to: new, .replace)
    }
  }

  /// Returns true if a call failed because the file system does not have it: mostly one of another machine, where a
  /// rename can only replace.
  static func lacksCall(_ code: Errno) -> Bool {
    [.invalidArgument, .notSupported, .noFunction].contains(code)
  }

  package static func removeFile(_ path: FilePath) {
    _ = unsafe path.withPlatformString { unsafe unlink($0) }
  }

  package static func removeEmptyFolder(_ path: FilePath) {
    _ = unsafe path.withPlatformString { unsafe rmdir($0) }
  }

  package static func makeFolder(
    _ path: FilePath, for target: FilePath, mode: CInterop.Mode = 0o777
  ) throws(StorageError) {
    guard unsafe path.withPlatformString({ unsafe mkdir($0, mode_t(mode)) }) == 0 else {
      throw .system(operation: "write", path: target, code: lastError)
    }
  }

  /// Copies up to `count` bytes inside the kernel; nil where the two files do not allow that, and on Darwin, which
  /// clones whole files only.
  package static func copyRange(
    from source: FileDescriptor, at sourceOffset: UInt64, to target: FileDescriptor,
    at targetOffset: UInt64, count: Int
  ) -> Int? {
    #if canImport(Darwin)
      return nil
    #else
      var (from, to) = (off_t(sourceOffset), off_t(targetOffset))
      let copied = unsafe copy_file_range(source.rawValue, &from, target.rawValue, &to, count, 0)
      return copied > 0 ? copied : nil
    #endif
  }

  /// Returns true if the file system of an open file copies between its files without moving bytes through this
  /// machine's memory: it shares them, or its server copies.
  static func copiesByItself(_ descriptor: FileDescriptor) -> Bool {
    #if canImport(Darwin)
      return false
    #else
      // Btrfs, XFS, bcachefs, OCFS2; NFS, Ceph, CIFS, SMB2.
      let kinds: Set<UInt> = [
        0x9123_683E, 0x5846_5342, 0xCA45_1A4E, 0x7461_636F, 0x6969, 0xC3_6400, 0xFF53_4D42,
        0xFE53_4D42,
      ]
      return kinds.contains(platform_file_system(descriptor.rawValue))
    #endif
  }

  /// Returns true if the file system of an open file has its files in memory.
  static func isInMemory(_ descriptor: FileDescriptor) -> Bool {
    #if canImport(Darwin)
      return false
    #else
      // tmpfs, ramfs.
      return [0x0102_1994, 0x8584_58F6].contains(platform_file_system(descriptor.rawValue))
    #endif
  }

  /// Opens a file for writing past the page cache, in aligned blocks; nil where the system cannot do that.
  static func openPastCache(_ path: FilePath) -> FileDescriptor? {
    #if canImport(Darwin)
      guard let file = try? FileDescriptor.open(path, .writeOnly, options: [.closeOnExec]) else {
        return nil
      }
      guard fcntl(file.rawValue, F_NOCACHE, 1) == 0 else {
        try? file.close()
        return nil
      }
      return file
    #else
      let flags = Int32(platform_open_direct)
      return try? FileDescriptor.open(
        path, .writeOnly, options: [.closeOnExec, .init(rawValue: flags)])
    #endif
  }

  /// The names in a folder, sorted by their bytes.
  package static func list(_ path: FilePath) throws(StorageError) -> [String] {
    var opened = unsafe path.withPlatformString { unsafe opendir($0) }
    while unsafe opened == nil, lastError == .interrupted {
      unsafe opened = path.withPlatformString { unsafe opendir($0) }
    }
    guard let folder = unsafe opened else {
      throw .system(operation: "read", path: path, code: lastError)
    }
    defer { unsafe closedir(folder) }
    var names: [String] = []
    while let entry = unsafe readdir(folder) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { field in
        let capacity = MemoryLayout.size(ofValue: unsafe field.pointee)
        return unsafe field.withMemoryRebound(to: CChar.self, capacity: capacity) {
          unsafe String(cString: $0)
        }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// Where temporary files go that have no place of their own.
  package static var temporaryFolder: FilePath {
    guard let folder = unsafe getenv("TMPDIR"), unsafe folder.pointee != 0 else { return "/tmp" }
    return unsafe FilePath(platformString: folder)
  }

  /// The folder that relative paths are relative to; nil where it is gone.
  package static var workingFolder: FilePath? {
    guard let path = unsafe getcwd(nil, 0) else { return nil }
    defer { unsafe free(path) }
    return unsafe FilePath(platformString: path)
  }

  /// The user with whose rights this process makes files.
  static var user: UInt32 { geteuid() }

  /// Locks an open file or folder until it is closed, or this process ends.
  ///
  /// - Parameters:
  ///   - descriptor: the file or folder; its own earlier lock becomes this one.
  ///   - isShared: whether others may have such a lock too.
  /// - Returns: whether no other process has a lock that stands against it; true also where the file system has none.
  static func lock(_ descriptor: FileDescriptor, isShared: Bool) -> Bool {
    retrying { flock(descriptor.rawValue, (isShared ? LOCK_SH : LOCK_EX) | LOCK_NB) } == 0
      || lastError != .wouldBlock
  }

  private static func renameCall(
    _ old: UnsafePointer<CChar>, _ new: UnsafePointer<CChar>, _ collision: Collision
  ) -> Int32 {
    #if canImport(Darwin)
      let flags: UInt32 =
        switch collision {
        case .replace: 0
        case .refuse: UInt32(RENAME_EXCL)
        case .exchange: UInt32(RENAME_SWAP)
        }
      return unsafe renamex_np(old, new, flags)
    #else
      let flags: UInt32 =
        switch collision {
        case .replace: 0
        case .refuse: 1  // RENAME_NOREPLACE
        case .exchange: 2  // RENAME_EXCHANGE
        }
      return unsafe platform_rename(old, new, flags)
    #endif
  }
}
