internal import CPlatform

/// BF16 and F16, by the processor's instructions where it has them.
protocol SixteenBitFloat {
  /// Rounds to nearest, ties to even; little-endian units.
  static func round(_ values: UnsafePointer<Float>, into units: UnsafeMutableRawPointer, count: Int)

  /// Widens little-endian units.
  static func widen(_ units: UnsafeRawPointer, into values: UnsafeMutablePointer<Float>, count: Int)
}

extension SixteenBitFloat {
  /// Rounds to nearest, ties to even; little-endian units.
  static func round(
    _ values: UnsafeMutableBufferPointer<Float>, into units: UnsafeMutableRawBufferPointer
  ) {
    guard let source = values.baseAddress, let target = units.baseAddress else { return }
    precondition(2 * values.count <= units.count)
    unsafe round(source, into: target, count: values.count)
  }

  /// The values of little-endian units.
  static func widened(_ units: [UInt8]) -> [Float] {
    unsafe [Float](unsafeUninitializedCapacity: units.count / 2) { values, count in
      unsafe units.withUnsafeBytes { units in
        guard let source = units.baseAddress, let target = values.baseAddress else { return }
        count = units.count / 2
        unsafe widen(source, into: target, count: count)
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
}

/// BF16: the upper half of an F32.
enum BrainFloat: SixteenBitFloat {
  static func round(_ values: UnsafePointer<Float>, into units: UnsafeMutableRawPointer, count: Int)
  {
    unsafe platform_round_bf16(values, units, count)
  }

  static func widen(_ units: UnsafeRawPointer, into values: UnsafeMutablePointer<Float>, count: Int)
  {
    unsafe platform_widen_bf16(units, values, count)
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

/// F16; `Float16` goes through a library's call for each value, and is not on every processor.
enum HalfFloats: SixteenBitFloat {
  static func round(_ values: UnsafePointer<Float>, into units: UnsafeMutableRawPointer, count: Int)
  {
    unsafe platform_round_f16(values, units, count)
  }

  static func widen(_ units: UnsafeRawPointer, into values: UnsafeMutablePointer<Float>, count: Int)
  {
    unsafe platform_widen_f16(units, values, count)
  }

  /// A value as F16 has it.
  static func rounded(_ value: Float) -> Float { widened(units([value]))[0] }
}
