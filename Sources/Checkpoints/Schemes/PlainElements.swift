internal import Storage

/// Elements that are stored as they are: one after the other, in row-major order.
struct PlainElements: Sendable {
  /// Where they are.
  let bytes: FileRange
  private let bitWidth: Int

  init(_ bytes: FileRange, of type: ElementType) {
    self.bytes = bytes
    bitWidth = type.bitWidth
  }

  func read(
    _ range: Range<Int>, into memory: UnsafeMutableRawBufferPointer
  ) throws(StorageError) {
    try unsafe bytes.read(at: UInt64(range.lowerBound * bitWidth / 8), into: memory)
  }
}
