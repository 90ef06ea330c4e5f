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

extension [Int] {
  /// Reads integers of a type without a sign, or with one in two's complement; one that is too large is the
  /// largest.
  init(integers bytes: [UInt8], of type: ElementType) {
    let width = Swift.max(1, type.bitWidth / 8)
    let isSigned = [.i8, .i16, .i32, .i64].contains(type)
    self = stride(from: 0, to: bytes.count, by: width).map { start in
      let bits = bytes[start..<start + width].reversed().reduce(0 as UInt64) {
        $0 << 8 | UInt64($1)
      }
      guard isSigned else { return Int(clamping: bits) }
      // The sign goes up to the top, and comes down again everywhere above.
      let unused = 64 - 8 * width
      return Int(Int64(bitPattern: bits << UInt64(unused)) >> Int64(unused))
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
