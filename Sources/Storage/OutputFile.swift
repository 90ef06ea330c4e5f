internal import Dispatch
internal import Synchronization
public import SystemPackage

/// A file that appears whole or not at all.
///
/// Bytes go to a temporary file beside the target; `commit` syncs it and renames it over the
/// target. Without a commit the temporary file is removed.
public final class OutputFile: ByteSink, Sendable {
  /// Where the file will be.
  public let target: FilePath
  /// Where it is until it has its name.
  package let temporary: FilePath
  package let replaces: Bool
  private let access: OutputAccess
  package let isDurable: Bool
  /// The status of the file that has the name so far; the new file gets its owner and mode.
  private let replaced: FileStatus?
  package let descriptor: FileDescriptor
  private let position = Atomic<UInt64>(0)
  private let isCommitted = Atomic<Bool>(false)
  private let writing = DispatchSemaphore(value: 1)

  /// Opens the temporary file.
  ///
  /// - Parameters:
  ///   - target: where the file will be.
  ///   - replacing: whether a file that is there may be replaced; its mode and, where this process may give files
  ///     away, its owner stay.
  ///   - inputs: what it is made of: who may not read these may not read it.
  /// - Throws: `outputExists`, or `system` where the folder cannot be written to.
  public convenience init(
    _ target: FilePath, replacing: Bool, inputs: [FilePath] = []
  ) throws(StorageError) {
    guard !target.isEmpty else {
      throw .system(operation: "write", path: target, code: .noSuchFileOrDirectory)
    }
    let existing = FileStatus(ofLink: target)
    if let existing {
      guard existing.isRegular else {
        throw existing.isLink ? .outputIsLink(target) : .outputIsOther(target, existing.kind)
      }
      guard replacing else { throw .outputExists(target) }
    }
    try self.init(
      target, replacing: replacing, standingFor: existing, OutputAccess(from: inputs),
      isDurable: true)
  }

  /// The same with an access that is known, and what it stands for, which may be elsewhere.
  init(
    _ target: FilePath, replacing: Bool, standingFor replaced: FileStatus?,
    _ access: OutputAccess, isDurable: Bool
  ) throws(StorageError) {
    self.target = target
    replaces = replacing
    self.replaced = replaced
    self.access = access
    self.isDurable = isDurable
    let temporary = target.temporarySibling
    self.temporary = temporary
    let mode = replaced == nil ? access.newFile : 0o600
    descriptor = try TemporaryPaths.make(temporary) { () throws(StorageError) in
      try withErrno("write", target) { () throws in
        try FileDescriptor.open(
          temporary, .readWrite, options: [.create, .exclusiveCreate, .closeOnExec],
          permissions: FilePermissions(rawValue: mode))
      }
    }
    // Before there is a byte in it. What is replaced may be more open, until then it stays its maker's.
    if replaced == nil { try access.settle(descriptor, replacing: nil, path: target) }
  }

  deinit {
    try? descriptor.close()
    guard !isCommitted.load(ordering: .relaxed) else { return }
    Platform.removeFile(temporary)
    TemporaryPaths.forget(temporary)
  }

  /// Appends bytes.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(StorageError) {
    let (start, _) = position.add(UInt64(bytes.count), ordering: .relaxed)
    try unsafe put(bytes, at: start)
  }

  /// Writes bytes at a place, and has them written back at once, so that the sync at the end finds
  /// little to do; safe from several threads at once.
  package func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(StorageError) {
    // The file system writes one piece at a time anyway; waiting here costs no processor time, while
    // its own lock spins.
    do {
      writing.wait()
      defer { writing.signal() }
      try unsafe put(bytes, at: offset)
    }
    Platform.beginWriteback(descriptor, at: Int(offset), count: bytes.count)
  }

  private func put(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(StorageError) {
    _ = try withErrno("write", target) { () throws in
      try unsafe descriptor.writeAll(toAbsoluteOffset: Int64(offset), bytes)
    }
  }

  /// Copies a range of another file, inside the kernel where it can.
  ///
  /// - Parameters:
  ///   - source: the other file.
  ///   - range: which of its bytes.
  ///   - target: where they go; nil for the same place.
  /// - Throws: `StorageError.system` where either file cannot be read or written.
  package func copy(
    from source: File, range: Range<UInt64>, to target: UInt64? = nil
  ) throws(StorageError) {
    var offset = range.lowerBound
    while offset < range.upperBound {
      let place = (target ?? range.lowerBound) + offset - range.lowerBound
      let rest = Int(range.upperBound - offset)
      if let count = Platform.copyRange(
        from: source.descriptor, at: offset, to: descriptor, at: place, count: rest)
      {
        offset += UInt64(count)
      } else {
        let piece = try source.bytes(at: offset, count: min(rest, 1 << 20))
        try unsafe piece.withUnsafeBytesThrowing { bytes throws(StorageError) in
          try unsafe write(bytes, at: place)
        }
        offset += UInt64(piece.count)
      }
    }
  }

  /// Sets the length, so that places can be written in any order.
  package func resize(to size: UInt64) throws(StorageError) {
    try Platform.allocate(descriptor, size: size, path: target)
  }

  /// Opens it for `BlockOutput` once more, past the page cache.
  func openPastCache() -> FileDescriptor? { Platform.openPastCache(temporary) }

  /// Syncs the bytes to the disk and gives the file its name.
  public func commit() throws(StorageError) {
    try Outputs.commit([self])
  }

  /// Returns the file as written so far, to be read back before it has its name.
  package func written() throws(StorageError) -> File {
    try File(temporary)
  }

  /// Makes a rename in a folder durable, where the folder can be opened and its file system can do that. It is
  /// no error where not: the output is there, whole, and nothing would take the rename back.
  static func synchroniseFolder(of path: FilePath) {
    let folder = path.parent
    guard
      let descriptor = try? FileDescriptor.open(folder, .readOnly, options: [.closeOnExec])
    else { return }
    defer { try? descriptor.close() }
    try? Platform.synchronise(descriptor, path: folder)
  }
}

extension OutputFile: PendingOutput {
  package var isFile: Bool { true }

  package func prepare() throws(StorageError) {
    if replaced != nil { try access.settle(descriptor, replacing: replaced, path: target) }
    if isDurable { try Platform.synchronise(descriptor, path: target) }
  }

  package func seal() {}
  package func unseal() {}

  package func removeReplaced() { Platform.removeFile(temporary) }

  package func settled() { isCommitted.store(true, ordering: .relaxed) }
}

/// Takes bytes one after the other.
public protocol ByteSink: AnyObject {
  /// Appends bytes.
  func write(_ bytes: UnsafeRawBufferPointer) throws(StorageError)
}

extension ByteSink {
  /// Appends an array's bytes.
  package func write(_ bytes: [UInt8]) throws(StorageError) {
    try unsafe bytes.withUnsafeBytesThrowing { buffer throws(StorageError) in
      try unsafe write(buffer)
    }
  }
}

/// A sink that keeps the bytes in memory.
public final class MemorySink: ByteSink {
  /// All bytes so far.
  public private(set) var bytes: [UInt8] = []

  /// Begins with no bytes.
  public init() {}

  /// Appends bytes.
  public func write(_ more: UnsafeRawBufferPointer) throws(StorageError) {
    unsafe bytes.append(contentsOf: more)
  }
}

extension FilePath {
  /// The folder that holds the path; `.` for a bare name.
  package var parent: FilePath {
    let parent = removingLastComponent()
    return parent.isEmpty ? FilePath(".") : parent
  }

  /// A name that nothing has, beside the path.
  package var temporarySibling: FilePath {
    let tag = String(UInt32.random(in: .min ... .max), radix: 36)
    return temporarySibling(tag: "\(Platform.processIdentifier)-\(tag)")
  }

  /// The temporary name beside the path that a tag gives it.
  func temporarySibling(tag: String) -> FilePath {
    parent.appending("\(temporaryStart)\(tag).tmp")
  }

  /// How temporary names beside the path begin. They do not grow with the path's own, which may be as long as a file
  /// system allows: of a long one they have the beginning, and a digest of the whole.
  var temporaryStart: String {
    var name = lastComponent?.string ?? "output"
    if name.utf8.count > 64 {
      var hasher = DigestHasher()
      hasher.update(Array(name.utf8))
      let start = name.unicodeScalars.prefix(10).map(String.init).joined()
      name = start + "~" + Array(hasher.finish().bytes.prefix(8)).hexadecimal
    }
    return ".\(name)."
  }
}
