internal import Operations
internal import Storage

extension [Double] {
  /// Widens elements of a float type, exactly.
  init(widening bytes: [UInt8], of type: ElementType) {
    let count = bytes.count / Swift.max(1, type.bitWidth / 8)
    self = unsafe [Double](unsafeUninitializedCapacity: count) { buffer, initialized in
      unsafe bytes.withUnsafeBytes { stored in
        unsafe Double.widen(
          stored, of: type, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
      }
      initialized = count
    }
  }
}

extension MatrixProduct {
  /// C ← op(A) · op(B) + C, of arrays that have the shapes' elements.
  func add(_ a: [Double], _ b: [Double], to c: inout [Double]) {
    guard rows > 0, columns > 0, inner > 0 else { return }
    unsafe a.withUnsafeBufferPointer { a in
      unsafe b.withUnsafeBufferPointer { b in
        unsafe c.withUnsafeMutableBufferPointer { c in
          guard let a = a.baseAddress, let b = b.baseAddress, let c = c.baseAddress else { return }
          unsafe Double.multiplyAdd(self, a, b, scale: 1, into: c)
        }
      }
    }
  }
}
