internal import StrictJSON
internal import Storage

/// Digests of a checkpoint's samples that have been taken, by the names of their tensors. Copies of a
/// checkpoint share them: its files are open and taken not to change.
final class SampleDigests: Sendable {
  private let digests = Guarded<[Name: [UInt8]]>([:])

  func known(_ name: Name) -> [UInt8]? { digests.withLock { $0[name] } }

  func add(_ digest: [UInt8], of name: Name) { digests.withLock { $0[name] = digest } }
}
