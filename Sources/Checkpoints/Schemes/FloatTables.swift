/// The values of small floats, by their codes.
enum FloatTables {
  /// E2M1 of MXFP4 and NVFP4.
  static let e2m1: [Float] = {
    let positive: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    return positive + positive.map { -$0 }
  }()

  /// The gaps of these.
  static let e2m1Gaps = gaps(of: e2m1)

  /// The same with one zero: ModelOpt has no other.
  static let e2m1OfModelOpt: [Float] = e2m1.map { $0 == 0 ? 0 : $0 }

  /// E4M3 without infinities: 7F and FF are NaN.
  static let e4m3: [Float] = (UInt8.min ... .max).map { code in
    let (exponent, fraction) = (Int(code >> 3 & 15), Float(code & 7))
    let magnitude: Float =
      code & 0x7F == 0x7F
      ? .nan
      : exponent == 0
        ? fraction * 0x1p-9
        : (1 + fraction / 8) * Float(sign: .plus, exponent: exponent - 7, significand: 1)
    return code & 0x80 == 0 ? magnitude : -magnitude
  }

  /// E5M2, which has infinities.
  static let e5m2: [Float] = (UInt8.min ... .max).map { code in
    let (exponent, fraction) = (Int(code >> 2 & 31), Float(code & 3))
    let magnitude: Float =
      exponent == 31
      ? (fraction == 0 ? .infinity : .nan)
      : exponent == 0
        ? fraction * 0x1p-16
        : (1 + fraction / 4) * Float(sign: .plus, exponent: exponent - 15, significand: 1)
    return code & 0x80 == 0 ? magnitude : -magnitude
  }

  /// How far the neighbours of each value of a table are, the farther of two; 0 for what is not finite.
  static func gaps(of table: [Float]) -> [Float] {
    let values = Set(table.filter(\.isFinite)).sorted()
    let gaps = zip(values, values.dropFirst()).map { $1 - $0 }
    let farther = zip([0] + gaps, gaps + [0]).map(max)
    let known = Dictionary(uniqueKeysWithValues: zip(values, farther))
    return table.map { known[$0] ?? 0 }
  }

  /// E8M0: a power of two; 255 is NaN.
  static let e8m0: [Float] = (UInt8.min ... .max).map { code in
    code == 255 ? .nan : code == 0 ? 0x1p-127 : Float(bitPattern: UInt32(code) << 23)
  }

  /// bitsandbytes' NF4.
  static let nf4: [Float] = [
    -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1,
  ]

  /// bitsandbytes' FP4, which is another than E2M1; code 8 is a zero.
  static let fp4: [Float] = {
    let positive: [Float] = [
      0, 0.0052083334885537624, 0.6666666865348816, 1, 0.3333333432674408, 0.5, 0.1666666716337204,
      0.25,
    ]
    return positive + [0] + positive.dropFirst().map { -$0 }
  }()
}
