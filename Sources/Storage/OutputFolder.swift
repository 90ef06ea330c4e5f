public import SystemPackage

/// A folder that appears whole or not at all: filled under a temporary name, then renamed.
public final class OutputFolder {
  /// Where the folder will be.
  public let target: FilePath
  /// Where its files are written until then.
  public private(set) var temporary: FilePath
  private let names: [String]
  package let replaces: Bool
  private let inputs: [FilePath]
  private let access: OutputAccess
  private let lifetime: Lifetime
  /// Of a folder that may outlive this process.
  private let job: JobFolder?
  private var isCommitted = false

  /// How long the folder may take to be filled.
  package enum Lifetime: Hashable, Sendable {
    /// Until this process ends.
    case process
    /// Until a process of this job ends well; one that is killed leaves finished files, and the next one goes on
    /// from there. The first one leaves nothing if it fails.
    case job(String)
    /// As long as it takes several processes of this job, each of which leaves what it has finished.
    case shared(String)
    /// Until the last of these, which no other is at work beside.
    case end(String)
  }

  /// Makes the temporary folder.
  ///
  /// - Parameters:
  ///   - target: where the folder will be.
  ///   - names: the files that it will hold; `FOLDER/FILE` for one in a sub-folder, which is made here.
  ///   - replacing: whether a folder that is there may be replaced. It never is where it holds
  ///     anything else: nothing is deleted that is not written anew. An empty one always may. Its mode and its
  ///     files' stay, as an `OutputFile` keeps them.
  ///   - inputs: what it is made of: who may not read these may not read it.
  /// - Throws: `outputExists`, `outputHoldsOther`, `outputIsLink`, or `system` where the parent
  ///   cannot be written to.
  public convenience init(
    _ target: FilePath, names: [String], replacing: Bool, inputs: [FilePath] = []
  ) throws(StorageError) {
    try self.init(
      target, names: names, replacing: replacing, inputs: inputs, lifetime: .process)
  }

  /// The same with another lifetime: a folder of the same job that is there is gone on with.
  ///
  /// - Throws: besides, `outputBusy`, `outputFinished`, `folderNotOwn` and `holdsForeign` of `JobFolder`.
  package init(
    _ target: FilePath, names: [String], replacing: Bool, inputs: [FilePath], lifetime: Lifetime
  ) throws(StorageError) {
    self.target = target
    self.inputs = inputs
    let access = OutputAccess(from: inputs)
    self.access = access
    self.names = names
    self.lifetime = lifetime
    replaces = FileStatus(ofLink: target) != nil
    if replaces { try Self.check(target, names: Set(names), replacing: replacing) }
    job =
      switch lifetime {
      case .process: nil
      case .job(let tag), .shared(let tag), .end(let tag):
        try JobFolder(
          for: target, tag: tag, names: names, isShared: lifetime == .shared(tag),
          mode: access.newFolder)
      }
    let temporary = job?.path ?? target.temporarySibling
    self.temporary = temporary
    if job == nil {
      try TemporaryPaths.make(temporary) { () throws(StorageError) in
        try Platform.makeFolder(temporary, for: target, mode: access.newFolder)
      }
    }
    switch lifetime {
    case .process, .job: break
    case .shared, .end: TemporaryPaths.forget(temporary)
    }
    for folder in Self.folders(of: names) {
      try Platform.makeFolder(temporary.appending(folder), for: target, mode: access.newFolder)
    }
  }

  /// The sub-folders in which some of the files are.
  private static func folders(of names: [String]) -> Set<String> {
    Set(names.compactMap { name in name.firstIndex(of: "/").map { String(name[..<$0]) } })
  }

  deinit {
    guard !isCommitted else { return }
    switch lifetime {
    case .process: OutputFolder.remove(temporary)
    case .job: job?.abandon()
    case .shared, .end: job?.leave()
    }
    TemporaryPaths.forget(temporary)
  }

  /// Lets a process that is interrupted leave the folder as it is: there is something in it to go on from.
  package func keepWhenInterrupted() {
    if job != nil { TemporaryPaths.forget(temporary) }
  }

  /// The cause of an error of a file in the folder if another process has ended the job meanwhile; otherwise nil.
  package var lossOfJob: StorageError? {
    job?.isFinished == true ? .outputFinished(target) : nil
  }

  /// The name of a file that says something of another one, and is none of the result's.
  package static func companion(of name: String) -> String {
    FolderNames.companion(of: name)
  }

  private static func check(
    _ target: FilePath, names: Set<String>, replacing: Bool
  ) throws(StorageError) {
    if let kind = FileStatus(ofLink: target)?.kind, kind != .folder {
      throw kind == .link ? .outputIsLink(target) : .outputIsOther(target, kind)
    }
    let present = try Platform.list(target)
    guard !present.isEmpty else { return }
    guard replacing else { throw .outputExists(target) }
    let folders = folders(of: Array(names))
    for name in present {
      let status = FileStatus(ofLink: target.appending(name))
      if status?.isRegular == true, names.contains(name) { continue }
      guard status?.isFolder == true, folders.contains(name) else {
        throw .outputHoldsOther(target, name)
      }
      for inner in try Platform.list(target.appending(name)) {
        let path = "\(name)/\(inner)"
        let isFile = FileStatus(ofLink: target.pushing(FilePath(path)))?.isRegular == true
        guard isFile, names.contains(path) else { throw .outputHoldsOther(target, path) }
      }
    }
  }

  /// A file of the folder, which gets its name there by its own `commit`.
  ///
  /// - Parameters:
  ///   - name: one of the names that the folder was made with.
  ///   - sources: what it is made of besides the folder's inputs.
  /// - Returns: the file, with nothing in it.
  /// - Throws: `system` where it cannot be written.
  package func file(
    _ name: String, alsoFrom sources: [FilePath] = []
  ) throws(StorageError) -> OutputFile {
    let access = sources.isEmpty ? access : OutputAccess(from: inputs + sources)
    let replaced = replaces ? FileStatus(ofLink: target.pushing(FilePath(name))) : nil
    return try OutputFile(
      // An earlier process of the job may have written it; otherwise no two have one name.
      temporary.pushing(FilePath(name)), replacing: job != nil, standingFor: replaced,
      access, isDurable: false)
  }

  /// Gives a folder, and those in it, the modes of what they take the place of.
  private func settle(_ name: String?) throws(StorageError) {
    let path = name.map { temporary.appending($0) } ?? temporary
    let place = name.map { target.appending($0) } ?? target
    let folder = try withErrno("write", target) { () throws in
      try FileDescriptor.open(path, .readOnly, options: [.closeOnExec])
    }
    defer { try? folder.close() }
    let replaced = replaces ? FileStatus(ofLink: place) : nil
    try access.settle(
      folder, replacing: replaced, asNew: name == nil ? job?.newMode : nil, path: target)
  }

  /// Gives the folder its name. One that was there changes places with it, in one step, and is
  /// removed then.
  public func commit() throws(StorageError) {
    try Outputs.commit([self])
  }

  /// Removes a folder of plain files and of folders of plain files. Anything deeper stays: this tool
  /// never writes it.
  static func remove(_ folder: FilePath) {
    for name in (try? Platform.list(folder)) ?? [] {
      let path = folder.appending(name)
      if FileStatus(ofLink: path)?.isFolder == true {
        removeFiles(of: path)
      } else {
        Platform.removeFile(path)
      }
    }
    Platform.removeEmptyFolder(folder)
  }

  private static func removeFiles(of folder: FilePath) {
    for name in (try? Platform.list(folder)) ?? [] { Platform.removeFile(folder.appending(name)) }
    Platform.removeEmptyFolder(folder)
  }
}

extension OutputFolder: PendingOutput {
  package var isFile: Bool { false }

  package var isDurable: Bool { true }

  package func prepare() throws(StorageError) {
    let folders = Self.folders(of: names)
    for folder in folders { try settle(folder) }
    if job == nil { try settle(nil) }
    try Platform.synchronise(
      [temporary] + (folders.sorted() + names).map { temporary.pushing(FilePath($0)) },
      for: target)
  }

  package func seal() throws(StorageError) {
    guard let job else { return }
    try job.takeAway()
    temporary = job.path
    do throws(StorageError) {
      // Not before: what others may write to is nothing to go on with.
      try settle(nil)
    } catch {
      unseal()
      throw error
    }
  }

  package func unseal() {
    guard let job else { return }
    job.giveBack()
    temporary = job.path
  }

  /// Removes the old files of the names that were written, and nothing that came into the folder
  /// meanwhile.
  package func removeReplaced() {
    for name in names { Platform.removeFile(temporary.pushing(FilePath(name))) }
    for folder in Self.folders(of: names) {
      Platform.removeEmptyFolder(temporary.appending(folder))
    }
    Platform.removeEmptyFolder(temporary)
  }

  package func settled() { isCommitted = true }
}
