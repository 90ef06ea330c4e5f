package import SystemPackage

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

extension FilePath {
  /// The path with every link in it followed; nil where nothing is there.
  package var real: FilePath? {
    unsafe withPlatformString { text in
      guard let found = unsafe realpath(text, nil) else { return nil }
      defer { unsafe free(found) }
      return unsafe FilePath(platformString: found)
    }
  }
}
