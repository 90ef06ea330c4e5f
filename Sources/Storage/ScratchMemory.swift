/// Memory that is kept from use to use and grows as needed; one for each thread.
@safe package final class ScratchMemory {
  private var memory = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)

  package init() {}

  deinit {
    unsafe memory.deallocate()
  }

  /// Bytes that are not initialised, aligned to 64, and valid until the next call.
  package func bytes(count: Int) -> UnsafeMutableRawBufferPointer {
    let capacity = unsafe memory.count
    if capacity < count {
      unsafe memory.deallocate()
      unsafe memory = .allocate(byteCount: count, alignment: 64)
    }
    return unsafe UnsafeMutableRawBufferPointer(rebasing: memory[..<count])
  }
}
