internal import Storage

/// Memory for the widened values of a tile, kept from tile to tile; one for each thread.
package final class TileScratch {
  private let memory = ScratchMemory()

  package init() {}

  /// Room for values, which is not initialised, and valid until the next call.
  func values<Scalar: ComputeScalar>(
    of type: Scalar.Type, count: Int
  ) -> UnsafeMutableBufferPointer<Scalar> {
    unsafe memory.bytes(count: count * MemoryLayout<Scalar>.stride).bindMemory(to: type)
  }
}
