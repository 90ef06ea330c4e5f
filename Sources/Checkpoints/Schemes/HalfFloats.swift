internal import CPlatform

/// F16 by the processor's instructions, where it has them; `Float16` goes through a library's call for each value, and is
/// not on every processor.
enum HalfFloats {
  /// Rounds to nearest, ties to even; little-endian units.
  static func round(
    _ values: UnsafeMutableBufferPointer<Float>, into units: UnsafeMutableRawBufferPointer
  ) {
    guard let source = values.baseAddress, let target = units.baseAddress else { return }
    unsafe platform_round_f16(source, target, values.count)
  }

  /// The values of little-endian units.
  static func widened(_ units: [UInt8]) -> [Float] {
    unsafe [Float](unsafeUninitializedCapacity: units.count / 2) { values, count in
      unsafe units.withUnsafeBytes { units in
        guard let source = units.baseAddress, let target = values.baseAddress else { return }
        count = units.count / 2
        unsafe platform_widen_f16(source, target, count)
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

  /// A value as F16 has it.
  static func rounded(_ value: Float) -> Float { widened(units([value]))[0] }
}
