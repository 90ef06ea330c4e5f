// The codes of values, of schemes that have a table of them or are small floats.

/// The nearest of some values in −1 … 1, by the middles between them.
struct NearestCode {
  /// Those of the values in ascending order.
  let codes: [UInt8]
  /// Between each two of them; a value that is one belongs to the lower.
  let middles: [Float]

  /// The codes of values: as many middles are less as values come before.
  ///
  /// - Parameters:
  ///   - values: the values.
  ///   - ranks: memory for as many numbers, which are lost.
  ///   - result: takes the codes.
  func find(
    _ values: UnsafeBufferPointer<Float>, _ ranks: UnsafeMutableBufferPointer<UInt32>,
    into result: UnsafeMutableBufferPointer<UInt8>
  ) {
    let count = values.count
    precondition(ranks.count == count && result.count == count)
    unsafe ranks.update(repeating: 0)
    // Loops without a branch, which the compiler turns into vector code.
    for middle in middles {
      for index in 0..<count { unsafe ranks[index] &+= values[index] > middle ? 1 : 0 }
    }
    for index in 0..<count { unsafe result[index] = codes[Int(ranks[index])] }
  }
}

/// The codes of small floats: nearest, ties to even, saturated.
enum SmallFloat {
  /// The code of a magnitude, of a type with so many bits for the fraction and this bias of the exponent. `largest` is its
  /// largest finite value, `lowest` the smallest normal one, and `step` the distance of those below it.
  @inline(__always)
  private static func code(
    _ value: Float, fraction: UInt32, bias: UInt32, largest: Float, lowest: Float, step: Float
  ) -> UInt8 {
    // A NaN is not less.
    let magnitude = value.magnitude < largest ? value.magnitude : largest
    // The sum has no bits below one, so that adding rounds.
    let subnormal = (magnitude / step + 0x1p23).bitPattern
    let (bits, shift) = (magnitude.bitPattern, 23 - fraction)
    let rounded = bits &+ (1 << (shift - 1) - 1) &+ (bits >> shift & 1)
    let normal = rounded >> shift &- (127 - bias) << fraction
    return UInt8(truncatingIfNeeded: magnitude < lowest ? subnormal : normal)
  }

  static func e2m1(_ value: Float) -> UInt8 {
    code(value, fraction: 1, bias: 1, largest: 6, lowest: 1, step: 0.5)
      | (value.sign == .minus ? 8 : 0)
  }

  static func e4m3(_ value: Float) -> UInt8 {
    code(value, fraction: 3, bias: 7, largest: 448, lowest: 0x1p-6, step: 0x1p-9)
      | (value.sign == .minus ? 0x80 : 0)
  }

  static func e5m2(_ value: Float) -> UInt8 {
    code(value, fraction: 2, bias: 15, largest: 57344, lowest: 0x1p-14, step: 0x1p-16)
      | (value.sign == .minus ? 0x80 : 0)
  }

  /// The smallest power of two that is no less, as E8M0 has it.
  static func e8m0(atLeast value: Float) -> UInt8 {
    guard value > 0x1p-127 else { return 0 }
    guard value < 0x1p127 else { return 254 }
    let exponent = Int(value.exponent) + (value.significand > 1 ? 1 : 0)
    return UInt8(min(exponent + 127, 254))
  }
}

/// A value in whole steps of a scale, to nearest, ties to even; none of a scale that is 0, or damaged. More than any code
/// has are as good as 65,536.
@inline(__always)
func wholeSteps(_ value: Float, of scale: Float) -> Float {
  let steps = steps(value, of: scale)
  let bounded = steps < 0x1p16 ? (steps > -0x1p16 ? steps : -0x1p16) : 0x1p16
  // The sum has no bits below one: `rounded` calls a function for processors that have no instruction for it.
  return (bounded + 0x1.8p23) - 0x1.8p23
}

/// The lowest byte of a small whole number.
@inline(__always)
func byte(_ whole: Float) -> UInt8 { UInt8(truncatingIfNeeded: (whole + 0x1.8p23).bitPattern) }

/// A value in steps of a scale; none of a scale that is 0, or damaged.
@inline(__always)
func steps(_ value: Float, of scale: Float) -> Float {
  scale != 0 && scale.isFinite ? value / scale : 0
}
