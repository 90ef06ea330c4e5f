internal import Operations
internal import Storage
internal import StrictJSON

/// A tensor of eight-bit floats as F16, which holds every value of them.
///
/// PEFT turns such factors to F32 when it loads them; operations take no type that has so few digits.
struct WidenedTensor {
  /// The copy.
  let info: TensorInfo
  private let source: TensorInfo

  /// Nil for a tensor of another type.
  init?(of source: TensorInfo) {
    guard [.f8E4M3, .f8E5M2].contains(source.type) else { return nil }
    self.source = source
    info = TensorInfo(
      name: Name(DerivedTensor.prefix.text + source.name.text), type: .f16, shape: source.shape)
  }

  /// Why the tensor itself is not used.
  var reason: String { "\(info.name) is the same in F16" }

  /// The copy, worked out.
  var derived: DerivedTensor {
    let source = source
    let table = (UInt8.min ... .max).map { byte in
      source.type == .f8E5M2 ? UInt16(byte) << 8 : Self.half(ofE4M3: byte)
    }
    return DerivedTensor(info: info) { file in
      try file.bytes(source).flatMap { byte in
        [UInt8(truncatingIfNeeded: table[Int(byte)]), UInt8(table[Int(byte)] >> 8)]
      }
    }
  }

  /// One sign, four bits of exponent of bias 7, three of fraction; no infinities, all ones are NaN.
  private static func half(ofE4M3 byte: UInt8) -> UInt16 {
    let sign = UInt16(byte & 0x80) << 8
    let (exponent, fraction) = (UInt16(byte >> 3 & 15), UInt16(byte & 7))
    if byte & 0x7F == 0x7F { return sign | 0x7E00 }
    if exponent > 0 { return sign | (exponent + 8) << 10 | fraction << 7 }
    // A multiple of 2^-9, which F16 holds with an exponent of its own.
    guard fraction > 0 else { return sign }
    let lead = UInt16(15 - fraction.leadingZeroBitCount)
    return sign | (lead + 6) << 10 | (fraction << (10 - lead)) & 0x3FF
  }
}
