/// The 16-bit float of IEEE 754 by its definition: `Float16` is not there on every processor.
package enum HalfFloat {
  /// The value of a bit pattern.
  package static func value(_ bits: UInt16) -> Double {
    let (exponent, fraction) = (Int(bits >> 10 & 0x1F), Double(bits & 0x3FF))
    let magnitude =
      switch exponent {
      case 0: fraction * 0x1p-24
      case 0x1F: fraction == 0 ? Double.infinity : .nan
      default: Double(sign: .plus, exponent: exponent - 15, significand: 1 + fraction / 1024)
      }
    return bits >> 15 == 0 ? magnitude : -magnitude
  }

  /// The pattern of the nearest value, the even one of two; infinity where that is nearest.
  package static func bits(_ value: Double) -> UInt16 {
    let sign: UInt16 = value.sign == .minus ? 0x8000 : 0
    guard !value.isNaN else { return sign | 0x7E00 }
    guard value.magnitude < 65_520 else { return sign | 0x7C00 }
    let exponent = value.magnitude < 0x1p-14 ? -14 : Int(value.exponent)
    // In units of the last place, which are counted: a carry into the exponent is the right one.
    let unit = Double(sign: .plus, exponent: exponent - 10, significand: 1)
    let count = (value.magnitude / unit).rounded(.toNearestOrEven)
    return sign | (UInt16(exponent + 14) << 10) + UInt16(count)
  }
}
