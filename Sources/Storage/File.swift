public import SystemPackage

/// A regular file that is open for reading at any place, from any thread.
public final class File: RandomAccessBytes {
  /// Where it was opened.
  public let path: FilePath
  /// Its length when it was opened.
  public let count: UInt64
  package let status: FileStatus
  package let descriptor: FileDescriptor
  /// True if nobody else can reach it, and only this process writes to it.
  private let isOwn: Bool

  /// Opens a file.
  ///
  /// - Throws: `StorageError` where it is not there, not readable or not a regular file.
  public init(_ path: FilePath) throws(StorageError) {
    (self.path, isOwn) = (path, false)
    descriptor = try withErrno("read", path) { () throws in
      // Not to wait for the other end where the path is a pipe.
      try FileDescriptor.open(path, .readOnly, options: [.nonBlocking, .closeOnExec])
    }
    do throws(StorageError) {
      status = try FileStatus(of: descriptor, path: path)
      guard status.isRegular else { throw StorageError.notRegularFile(path) }
    } catch {
      try? descriptor.close()
      throw error
    }
    count = status.size
  }

  /// Reads on from where an open file stands.
  ///
  /// A file that can be read at any place is read directly; anything else, such as a pipe, is first copied to a
  /// nameless file, so that it takes no memory.
  ///
  /// - Parameters:
  ///   - source: the open file.
  ///   - name: how errors call it.
  ///   - limit: how long a pipe may be.
  ///   - isWanted: whether a pipe that begins with these bytes, 16 unless it is shorter, is worth a copy. Of one
  ///     that is not, the copy has the beginning alone.
  /// - Throws: `StorageError` where it cannot be read or copied, or is longer than the limit.
  package init(
    reading source: FileDescriptor, calledAs name: FilePath, limit: UInt64,
    while isWanted: (_ start: [UInt8]) -> Bool
  ) throws(StorageError) {
    (path, isOwn) = (name, false)
    descriptor = try Self.seekable(source, name, limit, isWanted)
    do throws(StorageError) {
      status = try FileStatus(of: descriptor, path: name)
      count = status.size
    } catch {
      try? descriptor.close()
      throw error
    }
  }

  /// A new file that has no name, to be written at places and read: its bytes go with it.
  ///
  /// - Parameters:
  ///   - neighbour: a path on the file system that is to hold it.
  ///   - size: how many bytes it has, all of them 0.
  /// - Throws: `StorageError` where there is no room for it.
  package init(namelessBeside neighbour: FilePath, size: UInt64) throws(StorageError) {
    (path, isOwn) = (neighbour, true)
    descriptor = try TemporaryPaths.makeNameless(beside: neighbour)
    count = size
    do throws(StorageError) {
      try Platform.allocate(descriptor, size: size, path: neighbour)
      status = try FileStatus(of: descriptor, path: neighbour)
    } catch {
      try? descriptor.close()
      throw error
    }
  }

  /// Writes bytes into one that was made so.
  package func write(_ bytes: [UInt8], at offset: UInt64) throws(StorageError) {
    _ = try withErrno("write", path) { () throws in
      try descriptor.writeAll(toAbsoluteOffset: Int64(offset), bytes)
    }
  }

  /// Opens a file; nil where nothing is there, or nothing that has bytes at places.
  ///
  /// - Throws: `StorageError` where something is, and cannot be read: that is never the same as nothing.
  package static func ifThere(_ path: FilePath) throws(StorageError) -> File? {
    do throws(StorageError) {
      return try File(path)
    } catch {
      switch error {
      case .system(_, _, .noSuchFileOrDirectory), .notRegularFile: return nil
      default: throw error
      }
    }
  }

  private static func seekable(
    _ source: FileDescriptor, _ name: FilePath, _ limit: UInt64, _ isWanted: ([UInt8]) -> Bool
  ) throws(StorageError) -> FileDescriptor {
    let isAtStart = (try? source.seek(offset: 0, from: .current)) == 0
    if isAtStart, try FileStatus(of: source, path: name).isRegular {
      return try withErrno("read", name) { () throws in try source.duplicate() }
    }
    let copy = try TemporaryPaths.makeNameless()
    do throws(StorageError) {
      var buffer = [UInt8](repeating: 0, count: 1 << 18)
      var total: UInt64 = 0
      var start: [UInt8]? = []
      while true {
        let count = try withErrno("read", name) { () throws in
          try unsafe buffer.withUnsafeMutableBytes { try unsafe source.read(into: $0) }
        }
        guard count > 0 else { return copy }
        total += UInt64(count)
        guard total <= limit else { throw .streamTooLong(name, limit: limit) }
        _ = try withErrno("copy", name) { () throws in try copy.writeAll(buffer[..<count]) }
        guard let bytes = start.map({ $0 + buffer[..<min(count, 16)] }) else { continue }
        start = bytes.count < 16 ? bytes : nil
        if start == nil, !isWanted(Array(bytes.prefix(16))) { return copy }
      }
    } catch {
      try? copy.close()
      throw error
    }
  }

  deinit {
    try? descriptor.close()
  }

  /// Fills the buffer with the bytes from `offset` on.
  ///
  /// - Throws: `system` where the read fails, `truncated` where the file has become shorter.
  public func read(
    at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(StorageError) {
    var done = 0
    while done < buffer.count {
      let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      let count = try withErrno("read", path) { () throws in
        try unsafe descriptor.read(fromAbsoluteOffset: Int64(offset) + Int64(done), into: rest)
      }
      guard count > 0 else {
        throw .truncated(path: path, offset: offset + UInt64(done), count: rest.count)
      }
      done += count
    }
  }

  /// Holds the file against what it was when it was opened.
  ///
  /// - Throws: `changed` where its size or the time of its last change is another.
  package func checkUnchanged() throws(StorageError) {
    if isOwn { return }
    let now = try FileStatus(of: descriptor, path: path)
    guard now.size == status.size, now.modified == status.modified else { throw .changed(path) }
  }

  /// The whole contents, where they are at most `limit` bytes; nil where they are more.
  public func contents(limit: Int) throws(StorageError) -> [UInt8]? {
    count <= UInt64(limit) ? try bytes(at: 0, count: Int(count)) : nil
  }
}

/// Runs a call of swift-system, and gives its error the operation and the path.
package func withErrno<Value>(
  _ operation: String, _ path: FilePath, _ body: () throws -> Value
) throws(StorageError) -> Value {
  do {
    return try body()
  } catch {
    throw .system(operation: operation, path: path, code: error as? Errno ?? .ioError)
  }
}
