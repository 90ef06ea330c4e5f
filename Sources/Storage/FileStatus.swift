#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif
package import SystemPackage

/// The status of a path or an open file, as the file system reports it.
package struct FileStatus: Hashable, Sendable {
  package let device: UInt64
  package let inode: UInt64
  package let size: UInt64
  /// When its bytes were changed last, in nanoseconds.
  package let modified: Int64
  /// Who may do what with it: the bits that `chmod` takes.
  package let mode: CInterop.Mode
  package let owner: UInt32
  package let group: UInt32
  package let kind: FileKind

  package var isRegular: Bool { kind == .file }
  package var isFolder: Bool { kind == .folder }
  package var isLink: Bool { kind == .link }

  private init(_ status: stat) {
    // A signed number on Darwin.
    device = UInt64(truncatingIfNeeded: status.st_dev)
    inode = UInt64(status.st_ino)
    size = UInt64(max(status.st_size, 0))
    #if canImport(Darwin)
      let time = status.st_mtimespec
    #else
      let time = status.st_mtim
    #endif
    modified = Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    mode = CInterop.Mode(status.st_mode) & 0o7777
    owner = status.st_uid
    group = status.st_gid
    kind =
      switch status.st_mode & S_IFMT {
      case S_IFREG: .file
      case S_IFDIR: .folder
      case S_IFLNK: .link
      case S_IFIFO: .pipe
      case S_IFSOCK: .socket
      default: .device
      }
  }

  /// Returns true if both are the same file on disk.
  package func isSameFile(as other: FileStatus) -> Bool {
    device == other.device && inode == other.inode
  }

  /// The status of a path, links followed; nil where nothing is there.
  package init?(of path: FilePath) {
    var status = stat()
    guard unsafe path.withPlatformString({ unsafe stat($0, &status) }) == 0 else { return nil }
    self.init(status)
  }

  /// The status of a path itself, be it a link; nil where nothing is there.
  package init?(ofLink path: FilePath) {
    var status = stat()
    guard unsafe path.withPlatformString({ unsafe lstat($0, &status) }) == 0 else { return nil }
    self.init(status)
  }

  package init(of descriptor: FileDescriptor, path: FilePath) throws(StorageError) {
    var status = stat()
    guard unsafe fstat(descriptor.rawValue, &status) == 0 else {
      throw .system(operation: "read", path: path, code: lastError)
    }
    self.init(status)
  }
}
