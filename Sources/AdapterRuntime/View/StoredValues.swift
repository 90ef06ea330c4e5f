internal import Checkpoints
internal import Operations
internal import Storage

extension StoredTensor {
  /// Elements of a float type, widened.
  func doubles(of range: Range<Int>) throws -> [Double] {
    try contents(of: range).widened(from: info.type)
  }
}

extension [UInt8] {
  /// Elements of a float type, widened exactly.
  func widened<Scalar: ComputeScalar>(from type: ElementType) -> [Scalar] {
    let size = count * 8 / type.bitWidth
    return unsafe [Scalar](unsafeUninitializedCapacity: size) { values, initialized in
      unsafe withUnsafeBytes { stored in
        unsafe Scalar.widen(
          stored, of: type, into: UnsafeMutableBufferPointer(rebasing: values[..<size]))
      }
      initialized = size
    }
  }

  /// The places of the elements that are not the same bytes; elements that are parts of bytes count by the byte.
  func differences(from other: [UInt8], of type: ElementType) -> [Int] {
    let width = Swift.max(1, type.bitWidth / 8)
    return (0..<Swift.min(count, other.count) / width).filter { index in
      let range = index * width..<(index + 1) * width
      return self[range] != other[range]
    }
  }
}
