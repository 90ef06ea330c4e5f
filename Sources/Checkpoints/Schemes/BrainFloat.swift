internal import CPlatform

/// BF16: the upper half of an F32.
enum BrainFloat {
  /// Rounds to nearest, ties to even; little-endian units.
  static func round(
    _ values: UnsafeMutableBufferPointer<Float>, into units: UnsafeMutableRawBufferPointer
  ) {
    guard let source = values.baseAddress, let target = units.baseAddress else { return }
    unsafe platform_round_bf16(source, target, values.count)
  }

  /// The values of little-endian units.
  static func widened(_ units: [UInt8]) -> [Float] {
    unsafe [Float](unsafeUninitializedCapacity: units.count / 2) { values, count in
      unsafe units.withUnsafeBytes { units in
        guard let source = units.baseAddress, let target = values.baseAddress else { return }
        count = units.count / 2
        unsafe platform_widen_bf16(source, target, count)
      }
    }
  }

  /// Little-endian units.
  static func units(_ values: [Float]) -> [UInt8] {
    var values = values
    var units = [UInt8](repeating: 0, count: 2 * values.count)
    unsafe values.withUnsafeMutableBufferPointer { values in
      unsafe units.withUnsafeMutableBytes { unsafe round(values, into: $0) }
    }
    return units
  }

  /// Rounded to nearest, ties to even; a NaN stays one.
  @inline(__always)
  static func bits(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    // One expression for both, so that loops over it have no branch.
    let rounded = (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16
    return UInt16(truncatingIfNeeded: value.isNaN ? bits >> 16 | 0x40 : rounded)
  }

  static func rounded(_ value: Float) -> Float {
    Float(bitPattern: UInt32(bits(value)) << 16)
  }
}
