internal import Operations
package import Storage

/// The difference of two tensors of one type, and what adding it gives back.
package struct BiasDelta {
  /// The difference, rounded to the type that was asked for.
  package let bytes: [UInt8]
  /// The first tensor with the difference added by the rules of the specification, rounded to its own
  /// type.
  package let restored: [UInt8]

  /// Subtracts in F64, which is wide enough that the only rounding is that to `deltaType`.
  package init(
    from old: [UInt8], to new: [UInt8], of type: ElementType, as deltaType: ElementType
  ) {
    let count = old.count * 8 / type.bitWidth
    let (before, after): ([Double], [Double]) = (
      Self.widen(old, type, count), Self.widen(new, type, count)
    )
    bytes = zip(after, before).map { $0 - $1 }.rounded(to: deltaType)
    if type == .f64 || deltaType == .f64 {
      let sum = zip(before, Self.widen(bytes, deltaType, count) as [Double]).map { $0 + $1 }
      restored = sum.rounded(to: type)
    } else {
      let first: [Float] = Self.widen(old, type, count)
      let sum = zip(first, Self.widen(bytes, deltaType, count) as [Float]).map { $0 + $1 }
      restored = sum.rounded(to: type)
    }
  }

  private static func widen<Scalar: ComputeScalar>(
    _ bytes: [UInt8], _ type: ElementType, _ count: Int
  ) -> [Scalar] {
    unsafe [Scalar](unsafeUninitializedCapacity: count) { buffer, initialized in
      unsafe bytes.withUnsafeBytes { stored in
        unsafe Scalar.widen(
          stored, of: type, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
      }
      initialized = count
    }
  }
}
