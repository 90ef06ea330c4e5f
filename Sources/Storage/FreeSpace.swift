package import SystemPackage

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

extension FilePath {
  /// Refuses an output that its file system has no room for.
  ///
  /// - Parameters:
  ///   - byteCount: what it takes.
  ///   - source: what most of it is copied from; where the file system can share the bytes of a copy, nothing is refused.
  /// - Throws: `noRoom`.
  package func checkRoom(for byteCount: UInt64, copiedFrom source: FilePath) throws(StorageError) {
    guard let free = Platform.freeSpace(parent), free < byteCount,
      !(Platform.sharesCopies(parent) && Platform.areOnOneDevice(parent, source))
    else { return }
    throw .noRoom(self, needed: byteCount, free: free)
  }
}

extension Platform {
  /// Bytes that this user may still write into the file system of a path; nil where it does not say.
  fileprivate static func freeSpace(_ path: FilePath) -> UInt64? {
    var status = statvfs()
    let isKnown = unsafe path.withPlatformString { unsafe statvfs($0, &status) } == 0
    guard isKnown, status.f_blocks > 0 else { return nil }
    let (bytes, overflows) = UInt64(status.f_bavail).multipliedReportingOverflow(
      by: UInt64(status.f_frsize))
    return overflows ? nil : bytes
  }

  /// Returns true if the file system can hold a copy in the bytes of the original.
  fileprivate static func sharesCopies(_ path: FilePath) -> Bool {
    guard let folder = try? FileDescriptor.open(path, .readOnly, options: .closeOnExec) else {
      return false
    }
    defer { try? folder.close() }
    return copiesByItself(folder)
  }

  fileprivate static func areOnOneDevice(_ first: FilePath, _ second: FilePath) -> Bool {
    guard let first = FileStatus(of: first), let second = FileStatus(of: second) else {
      return false
    }
    return first.device == second.device
  }
}
