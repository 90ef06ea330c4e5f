// The codes of values, of schemes that have a table of them or are small floats.

/// The nearest of some values in −1 … 1, by the middles between them.
struct NearestCode {
  private let codes: [Int]
  private let middles: [Float]
  /// For each of 256 intervals of −1 … 1 how many middles are at most its beginning.
  private let starts: [Int]

  /// - Parameters:
  ///   - codes: those of the values in ascending order.
  ///   - middles: between each two of them; a value that is one belongs to the lower.
  init(_ codes: [Int], middles: [Float]) {
    (self.codes, self.middles) = (codes, middles)
    starts = (0..<256).map { interval in
      middles.count { $0 < Float(interval) / 128 - 1 }
    }
  }

  func code(_ value: Float) -> Int {
    var rank = starts[Int(min(max((value + 1) * 128, 0), 255))]
    // The interval may begin a little below the value's own.
    while rank < middles.count, middles[rank] < value { rank += 1 }
    while rank > 0, middles[rank - 1] >= value { rank -= 1 }
    return codes[rank]
  }
}

/// The codes of small floats: nearest, ties to even, saturated.
enum SmallFloat {
  /// The code of a magnitude, of a type with so many bits for the fraction, this bias of the exponent, and this code of its
  /// largest finite value.
  private static func code(_ value: Float, fraction: Int, bias: Int, largest: UInt8) -> UInt8 {
    guard !value.isNaN else { return largest }
    let (magnitude, lowest) = (value.magnitude, 1 - bias)
    let steps: Float
    if magnitude < Float(sign: .plus, exponent: lowest, significand: 1) {
      steps = Float(sign: .plus, exponent: fraction - lowest, significand: magnitude)
    } else {
      let exponent = min(Int(magnitude.exponent), 128)
      steps =
        Float((exponent - lowest) << fraction)
        + Float(sign: .plus, exponent: fraction - exponent, significand: magnitude)
    }
    return UInt8(min(steps.rounded(.toNearestOrEven), Float(largest)))
  }

  static func e2m1(_ value: Float) -> UInt8 {
    code(value, fraction: 1, bias: 1, largest: 7) | (value.sign == .minus ? 8 : 0)
  }

  static func e4m3(_ value: Float) -> UInt8 {
    code(value, fraction: 3, bias: 7, largest: 0x7E) | (value.sign == .minus ? 0x80 : 0)
  }

  static func e5m2(_ value: Float) -> UInt8 {
    code(value, fraction: 2, bias: 15, largest: 0x7B) | (value.sign == .minus ? 0x80 : 0)
  }

  /// The smallest power of two that is no less, as E8M0 has it.
  static func e8m0(atLeast value: Float) -> UInt8 {
    guard value > 0x1p-127 else { return 0 }
    guard value < 0x1p127 else { return 254 }
    let exponent = Int(value.exponent) + (value.significand > 1 ? 1 : 0)
    return UInt8(min(exponent + 127, 254))
  }
}

/// A value in steps of a scale; none of a scale that is 0, or damaged.
func steps(_ value: Float, of scale: Float) -> Float {
  scale != 0 && scale.isFinite ? value / scale : 0
}
