/// Memory for the widened values of a tile, kept from tile to tile; one for each thread.
@safe package final class TileScratch {
  private var memory = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)

  package init() {}

  deinit {
    unsafe memory.deallocate()
  }

  /// Room for values, which is not initialised, and valid until the next call.
  func values<Scalar: ComputeScalar>(
    of type: Scalar.Type, count: Int
  ) -> UnsafeMutableBufferPointer<Scalar> {
    let byteCount = count * MemoryLayout<Scalar>.stride
    let capacity = unsafe memory.count
    if capacity < byteCount {
      unsafe memory.deallocate()
      unsafe memory = .allocate(byteCount: byteCount, alignment: 64)
    }
    let values = unsafe memory.bindMemory(to: type)
    return unsafe UnsafeMutableBufferPointer(rebasing: values[..<count])
  }
}
