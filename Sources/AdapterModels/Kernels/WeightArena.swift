internal import Storage

/// Memory for weights, in blocks of large pages: making a token reads all of it, and small pages cost the
/// processor a search each.
final class WeightArena {
  private static let blockSize = 1 << 26
  /// Freed with the last matrix in it.
  private var block: LargeMemory?
  private var used = 0

  /// Memory that is not initialised, and the block that it belongs to.
  func allocate(_ byteCount: Int) -> (block: LargeMemory, memory: UnsafeMutableRawBufferPointer) {
    let size = (byteCount + 63) / 64 * 64
    if let block, unsafe used + size <= block.memory.count {
      defer { used += size }
      return unsafe (
        block, UnsafeMutableRawBufferPointer(rebasing: block.memory[used..<used + byteCount])
      )
    }
    let block = LargeMemory(byteCount: max(size, Self.blockSize))
    self.block = block
    used = size
    return unsafe (block, UnsafeMutableRawBufferPointer(rebasing: block.memory[..<byteCount]))
  }
}
