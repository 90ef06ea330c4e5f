internal import Storage

/// Memory for weights, in blocks of large pages: making a token reads all of it, and small pages cost the
/// processor a search each.
final class WeightArena {
  private static let blockSize = 1 << 26
  private static let alignment = 1 << 21
  private var block: Block?
  private var used = 0

  /// A block, freed with the last matrix in it.
  @safe final class Block: Sendable {
    nonisolated(unsafe) let memory: UnsafeMutableRawBufferPointer

    fileprivate init(byteCount: Int) {
      unsafe memory = .allocate(byteCount: byteCount, alignment: WeightArena.alignment)
      unsafe Platform.preferLargePages(memory)
    }

    deinit {
      unsafe memory.deallocate()
    }
  }

  /// Memory that is not initialised, and the block that it belongs to.
  func allocate(_ byteCount: Int) -> (block: Block, memory: UnsafeMutableRawBufferPointer) {
    let size = (byteCount + 63) / 64 * 64
    if let block, unsafe used + size <= block.memory.count {
      defer { used += size }
      return unsafe (
        block, UnsafeMutableRawBufferPointer(rebasing: block.memory[used..<used + byteCount])
      )
    }
    let block = Block(byteCount: max(size, Self.blockSize))
    self.block = block
    used = size
    return unsafe (block, UnsafeMutableRawBufferPointer(rebasing: block.memory[..<byteCount]))
  }
}
