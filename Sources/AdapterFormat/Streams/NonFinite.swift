package import Storage

/// Looks for NaN and infinity in restored bytes ([MAN-8]).
package enum NonFinite {
  /// Returns true if any element of the bytes is a NaN or an infinity; false for types that have neither.
  package static func isPresent(in bytes: UnsafeRawBufferPointer, of type: ElementType) -> Bool {
    switch type {
    case .f16: unsafe contains(bytes, exponent: 0x7C00 as UInt16)
    case .bf16: unsafe contains(bytes, exponent: 0x7F80 as UInt16)
    case .f32, .c64: unsafe contains(bytes, exponent: 0x7F80_0000 as UInt32)
    case .f64: unsafe contains(bytes, exponent: 0x7FF0_0000_0000_0000 as UInt64)
    default: false
    }
  }

  /// The same for an array.
  package static func isPresent(in bytes: [UInt8], of type: ElementType) -> Bool {
    unsafe bytes.withUnsafeBytes { unsafe isPresent(in: $0, of: type) }
  }

  /// Returns true if any unit has all exponent bits set. The inner loop has no branch, so that it becomes vector code.
  private static func contains<Unit: FixedWidthInteger & UnsignedInteger>(
    _ bytes: UnsafeRawBufferPointer, exponent: Unit
  ) -> Bool {
    let width = Unit.bitWidth / 8
    let count = bytes.count / width
    guard let source = bytes.baseAddress else { return false }
    // One more than an exponent of all ones carries into the sign bit, and nothing else does.
    let step = exponent & (~exponent &+ 1)
    let signBit = exponent &+ step
    var start = 0
    while start < count {
      let end = min(start &+ 4096, count)
      var found: Unit = 0
      for index in start..<end {
        let unit = unsafe source.loadUnaligned(fromByteOffset: index &* width, as: Unit.self)
        found |= (unit.littleEndian & exponent) &+ step
      }
      if found & signBit != 0 { return true }
      start = end
    }
    return false
  }
}
