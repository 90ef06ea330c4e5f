internal import SystemPackage

/// The temporary folder of a job, which processes fill one after the other, or several at once.
///
/// Whoever can write into it can put bytes into the result, and its name can be worked out: it is this user's alone,
/// and holds nothing but what the job writes. A lock that ends with its process tells those that are at work on it
/// from those that were killed, where the file system has locks.
final class JobFolder {
  /// Where it is: by the name that all processes of the job know, until it is taken away.
  private(set) var path: FilePath
  private let sharedPath: FilePath
  /// True if an earlier process of the job made the folder: then nothing of it is thrown away.
  let isContinued: Bool
  /// The mode that a new folder at the target would get.
  let newMode: CInterop.Mode
  private let target: FilePath
  private let names: FolderNames
  private let descriptor: FileDescriptor

  /// Makes the folder, or takes over that of an earlier process.
  ///
  /// - Parameters:
  ///   - target: where the job's result will be.
  ///   - tag: the name that the processes of the job give it.
  ///   - names: the files that it will hold.
  ///   - isShared: whether several processes fill it at once.
  ///   - mode: what a new folder may allow at most, before the process's own mask is taken off.
  /// - Throws: `outputBusy` or `outputFinished` where another process is at work on it, or has ended it;
  ///   `folderNotOwn`, `holdsForeign`; or `system` where it cannot be made.
  init(
    for target: FilePath, tag: String, names: [String], isShared: Bool, mode: CInterop.Mode
  ) throws(StorageError) {
    let path = target.temporarySibling(tag: tag)
    newMode = try Self.modeOfNewFolder(beside: target, mode)
    let opened = try Self.open(path, for: target, isShared)
    self.path = path
    sharedPath = path
    self.target = target
    self.names = FolderNames(names)
    descriptor = opened.descriptor
    isContinued = !opened.isNew
    do throws(StorageError) {
      try checkOwner()
      try checkContents()
    } catch {
      Self.leave(path, isNew: opened.isNew)
      throw error
    }
  }

  deinit { try? descriptor.close() }

  // MARK: - Opening it

  /// Another process may end the job between any two of these steps: then the folder has the result's name, or is gone.
  private static func open(
    _ path: FilePath, for target: FilePath, _ isShared: Bool
  ) throws(StorageError) -> (descriptor: FileDescriptor, isNew: Bool) {
    for _ in 0..<16 {
      let isNew = try make(path, for: target)
      guard let descriptor = try openIfThere(path, isNew: isNew) else { continue }
      do throws(StorageError) {
        guard lockSoon(descriptor, isShared) else { throw .outputBusy(target) }
        let status = try FileStatus(of: descriptor, path: target)
        if FileStatus(ofLink: path)?.isSameFile(as: status) == true { return (descriptor, isNew) }
        guard FileStatus(ofLink: target) == nil else { throw .outputFinished(target) }
      } catch {
        try? descriptor.close()
        leave(path, isNew: false)
        throw error
      }
      try? descriptor.close()
      leave(path, isNew: false)
    }
    throw .outputBusy(target)
  }

  /// Another process that leaves an empty folder has it to itself while it is removed.
  private static func lockSoon(_ descriptor: FileDescriptor, _ isShared: Bool) -> Bool {
    for _ in 0..<50 {
      if Platform.lock(descriptor, isShared: isShared) { return true }
      Platform.sleep(milliseconds: 10)
    }
    return false
  }

  /// Gives the folder up before there is anything in it.
  private static func leave(_ path: FilePath, isNew: Bool) {
    if isNew { Platform.removeEmptyFolder(path) }
    TemporaryPaths.forget(path)
  }

  private static func make(
    _ path: FilePath, for target: FilePath
  ) throws(StorageError) -> Bool {
    do throws(StorageError) {
      try TemporaryPaths.make(path) { () throws(StorageError) in
        try Platform.makeFolder(path, for: target, mode: 0o700)
      }
      return true
    } catch .system(_, _, .fileExists) {
      return false
    }
  }

  private static func openIfThere(
    _ path: FilePath, isNew: Bool
  ) throws(StorageError) -> FileDescriptor? {
    do {
      return try FileDescriptor.open(
        path, .readOnly, options: [.directory, .noFollow, .closeOnExec])
    } catch Errno.noSuchFileOrDirectory {
      return nil
    } catch Errno.notDirectory, Errno.tooManySymbolicLinkLevels {
      throw .folderNotOwn(path, .isNoFolder)
    } catch {
      leave(path, isNew: isNew)
      throw .system(operation: "read", path: path, code: error as? Errno ?? .ioError)
    }
  }

  /// Its own mode tells nothing of what the target's would be, which depends on the folder that it is in too.
  private static func modeOfNewFolder(
    beside target: FilePath, _ mode: CInterop.Mode
  ) throws(StorageError) -> CInterop.Mode {
    let probe = target.temporarySibling
    try TemporaryPaths.make(probe) { () throws(StorageError) in
      try Platform.makeFolder(probe, for: target, mode: mode)
    }
    defer {
      Platform.removeEmptyFolder(probe)
      TemporaryPaths.forget(probe)
    }
    return FileStatus(ofLink: probe)?.mode ?? 0o700
  }

  // MARK: - Whose it is, and what is in it

  private func checkOwner() throws(StorageError) {
    let status = try FileStatus(of: descriptor, path: path)
    guard status.owner == Platform.user else { throw .folderNotOwn(path, .belongsToOther) }
    guard status.mode & 0o022 == 0 else { throw .folderNotOwn(path, .isOpenToOthers) }
  }

  /// Only what the job writes may be there: all of it gets the result's name.
  private func checkContents() throws(StorageError) {
    for name in try Platform.list(path) {
      guard let status = FileStatus(ofLink: path.appending(name)) else { continue }
      guard names.kind(of: name) != nil, status.isRegular, status.owner == Platform.user else {
        throw .holdsForeign(sharedPath, name)
      }
    }
  }

  /// True if another process has ended the job: the folder has the result's name.
  var isFinished: Bool { isGone && FileStatus(ofLink: target) != nil }

  private var isGone: Bool {
    guard let status = try? FileStatus(of: descriptor, path: path) else { return false }
    return FileStatus(ofLink: path)?.isSameFile(as: status) != true
  }

  // MARK: - Its end

  /// Takes the folder to a name that no other process of the job knows, so that none puts anything more into it, and
  /// removes what is not for the result.
  ///
  /// - Throws: `outputFinished` where another process was faster, `holdsForeign`, or `system`; then it is where it was.
  func takeAway() throws(StorageError) {
    let own = target.temporarySibling
    do throws(StorageError) {
      try Platform.rename(path, to: own, .refuse)
    } catch {
      throw isFinished ? .outputFinished(target) : error
    }
    path = own
    do throws(StorageError) {
      try checkContents()
    } catch {
      giveBack()
      throw error
    }
    removeFiles(.temporary)
  }

  /// Takes it back to the name by which the job's processes know it.
  func giveBack() {
    guard path != sharedPath else { return }
    do throws(StorageError) {
      try Platform.rename(path, to: sharedPath, .refuse)
      path = sharedPath
    } catch {
      // Then it is this process's alone.
    }
  }

  /// Leaves the folder without a result: what this process had begun anew goes, what it went on with stays.
  func abandon() {
    if !isContinued, Platform.lock(descriptor, isShared: false), !isGone {
      removeFiles(.result)
      removeFiles(.temporary)
    }
    leave()
  }

  /// Leaves the folder to the job's other processes, and removes it where nothing is in it and nobody else at work.
  func leave() {
    guard (try? Platform.list(path))?.isEmpty ?? true else { return }
    if Platform.lock(descriptor, isShared: false), !isGone { Platform.removeEmptyFolder(path) }
  }

  private func removeFiles(_ kind: FolderNames.Kind) {
    for name in (try? Platform.list(path)) ?? [] where names.kind(of: name) == kind {
      Platform.removeFile(path.appending(name))
    }
  }
}

/// The names that a job's processes give to what they write.
struct FolderNames {
  enum Kind: Hashable {
    case result
    /// A file that has not its name yet, or says something of one that has.
    case temporary
  }

  private let names: Set<String>
  private let temporaryStarts: Set<String>

  init(_ names: [String]) {
    self.names = Set(names)
    let temporary = names + names.map(Self.companion)
    temporaryStarts = Set(temporary.map { FilePath($0).temporaryStart })
  }

  /// The name of a file that says something of another one, and is none of the result's.
  static func companion(of name: String) -> String {
    FilePath(name).temporarySibling(tag: "proof").lastComponent?.string ?? name
  }

  /// Returns the kind of file that a name is for; nil for one that no process of the job gives.
  func kind(of name: String) -> Kind? {
    if names.contains(name) { return .result }
    let start = name.utf8.dropLast(".tmp".utf8.count)
    guard name.hasSuffix(".tmp"), let end = start.lastIndex(of: UInt8(ascii: ".")) else {
      return nil
    }
    return temporaryStarts.contains(String(decoding: start[...end], as: UTF8.self))
      ? .temporary : nil
  }
}
