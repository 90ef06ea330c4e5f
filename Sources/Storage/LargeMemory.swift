/// Memory that is filled once, before other threads see it, and then only read; in large pages where there are enough
/// bytes for some: taking and searching them costs a fraction of what small ones do.
@safe package final class LargeMemory: Sendable {
  private static let pageSize = 1 << 21

  /// The bytes, not initialised at first.
  nonisolated(unsafe) package let memory: UnsafeMutableRawBufferPointer

  package init(byteCount: Int) {
    let isLarge = byteCount >= 2 * Self.pageSize
    unsafe memory = .allocate(byteCount: byteCount, alignment: isLarge ? Self.pageSize : 64)
    if isLarge { unsafe Platform.preferLargePages(memory) }
  }

  deinit {
    unsafe memory.deallocate()
  }
}
