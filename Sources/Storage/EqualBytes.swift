#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

extension UnsafeRawBufferPointer {
  /// Returns true if other memory holds the same bytes.
  package func isEqual(to other: UnsafeRawBufferPointer) -> Bool {
    let lengths = (count, other.count)
    guard lengths.0 == lengths.1 else { return false }
    guard let mine = baseAddress, let theirs = other.baseAddress else { return true }
    return unsafe memcmp(mine, theirs, lengths.0) == 0
  }
}
