package import Storage

/// A type that parameters are computed in: `Float` (F32) or `Double` (F64).
package protocol ComputeScalar: BinaryFloatingPoint, Sendable {
  /// Widens elements of a stored type, exactly. The counts agree.
  static func widen(
    _ stored: UnsafeRawBufferPointer, of type: ElementType,
    into values: UnsafeMutableBufferPointer<Self>)

  /// Rounds values to a stored type, to nearest even. The counts agree.
  static func round(
    _ values: UnsafeBufferPointer<Self>, to type: ElementType,
    into stored: UnsafeMutableRawBufferPointer)

  /// C ← scale · op(A) · op(B) + C, row-major; shapes in `MatrixProduct`.
  static func multiplyAdd(
    _ product: MatrixProduct, _ a: UnsafePointer<Self>, _ b: UnsafePointer<Self>, scale: Self,
    into c: UnsafeMutablePointer<Self>)
}

// Plain loops over one unit at a time, which the compiler turns into vector code: the element type is
// chosen outside of them.

/// Widens units: `values[i] = body(unit i)`.
@inline(__always)
private func widenUnits<Unit: FixedWidthInteger, Scalar>(
  _ stored: UnsafeRawBufferPointer, _ values: UnsafeMutableBufferPointer<Scalar>,
  _ body: (Unit) -> Scalar
) {
  guard let source = stored.baseAddress, let target = values.baseAddress else { return }
  for index in 0..<values.count {
    let offset = index &* MemoryLayout<Unit>.size
    let unit = unsafe source.loadUnaligned(fromByteOffset: offset, as: Unit.self)
    unsafe target[index] = body(Unit(littleEndian: unit))
  }
}

/// Narrows values: `unit i = body(values[i])`.
@inline(__always)
private func narrowUnits<Unit: FixedWidthInteger, Scalar>(
  _ values: UnsafeBufferPointer<Scalar>, _ stored: UnsafeMutableRawBufferPointer,
  _ body: (Scalar) -> Unit
) {
  guard let source = values.baseAddress, let target = stored.baseAddress else { return }
  for index in 0..<values.count {
    let unit = unsafe body(source[index]).littleEndian
    unsafe target.storeBytes(
      of: unit, toByteOffset: index &* MemoryLayout<Unit>.size, as: Unit.self)
  }
}

extension Float: ComputeScalar {
  package static func widen(
    _ stored: UnsafeRawBufferPointer, of type: ElementType,
    into values: UnsafeMutableBufferPointer<Float>
  ) {
    switch type {
    case .bf16:
      unsafe widenUnits(stored, values) { (unit: UInt16) in
        Float(bitPattern: UInt32(unit) &<< 16)
      }
    case .f16: unsafe widenUnits(stored, values) { (unit: UInt16) in Float(half: unit) }
    case .f32: unsafe widenUnits(stored, values) { (unit: UInt32) in Float(bitPattern: unit) }
    default: preconditionFailure("\(type.rawValue) is not widened to F32")
    }
  }

  package static func round(
    _ values: UnsafeBufferPointer<Float>, to type: ElementType,
    into stored: UnsafeMutableRawBufferPointer
  ) {
    switch type {
    case .bf16: unsafe narrowUnits(values, stored) { bfloat($0.bitPattern) }
    case .f16: unsafe narrowUnits(values, stored) { half($0.bitPattern) }
    case .f32: unsafe narrowUnits(values, stored) { $0.bitPattern }
    case .f64: unsafe narrowUnits(values, stored) { Double($0).bitPattern }
    default: preconditionFailure("nothing is rounded to \(type.rawValue)")
    }
  }
}

extension Double: ComputeScalar {
  package static func widen(
    _ stored: UnsafeRawBufferPointer, of type: ElementType,
    into values: UnsafeMutableBufferPointer<Double>
  ) {
    switch type {
    case .bf16:
      unsafe widenUnits(stored, values) { (unit: UInt16) in
        Double(Float(bitPattern: UInt32(unit) &<< 16))
      }
    case .f16: unsafe widenUnits(stored, values) { (unit: UInt16) in Double(Float(half: unit)) }
    case .f32:
      unsafe widenUnits(stored, values) { (unit: UInt32) in Double(Float(bitPattern: unit)) }
    case .f64: unsafe widenUnits(stored, values) { (unit: UInt64) in Double(bitPattern: unit) }
    default: preconditionFailure("\(type.rawValue) is not widened to F64")
    }
  }

  package static func round(
    _ values: UnsafeBufferPointer<Double>, to type: ElementType,
    into stored: UnsafeMutableRawBufferPointer
  ) {
    switch type {
    case .bf16: unsafe narrowUnits(values, stored) { bfloat(oddBits($0)) }
    case .f16: unsafe narrowUnits(values, stored) { half(oddBits($0)) }
    case .f32: unsafe narrowUnits(values, stored) { Float($0).bitPattern }
    case .f64: unsafe narrowUnits(values, stored) { $0.bitPattern }
    default: preconditionFailure("nothing is rounded to \(type.rawValue)")
    }
  }
}

// MARK: - Bits

/// F32 to BF16, to nearest even; a NaN stays a NaN.
@inline(__always)
private func bfloat(_ bits: UInt32) -> UInt16 {
  let rounded = (bits &+ 0x7FFF &+ (bits &>> 16 & 1)) &>> 16
  let isNaN = bits & 0x7FFF_FFFF > 0x7F80_0000
  return UInt16(truncatingIfNeeded: isNaN ? bits &>> 16 | 0x40 : rounded)
}

/// F32 to F16, to nearest even; a NaN stays a NaN.
@inline(__always)
private func half(_ bits: UInt32) -> UInt16 {
  let magnitude = bits & 0x7FFF_FFFF
  // Normal results: rebias the exponent by 15 − 127 and round 13 bits away.
  let normal = (magnitude &- 0x3800_0000 &+ 0xFFF &+ (magnitude &>> 13 & 1)) &>> 13
  // Subnormal results: adding 0.5 aligns the last bit of a half with the last bit of the sum, and
  // the addition rounds.
  let subnormal = (Float(bitPattern: magnitude) + 0.5).bitPattern &- 0x3F00_0000
  let special: UInt32 = magnitude > 0x7F80_0000 ? 0x7E00 : 0x7C00
  let small = magnitude < 0x3880_0000 ? subnormal : normal
  let result = magnitude >= 0x4780_0000 ? special : small
  return UInt16(truncatingIfNeeded: result | bits &>> 16 & 0x8000)
}

/// F64 to F32, rounded to odd: a second rounding to a narrower type is then right.
private func oddBits(_ value: Double) -> UInt32 {
  guard value.isFinite else { return Float(value).bitPattern }
  let narrowed = Float(value)
  var bits = narrowed.bitPattern
  if Double(narrowed).magnitude > value.magnitude { bits -= 1 }
  if Double(narrowed) != value { bits |= 1 }
  return bits
}

extension Float {
  /// The value of an F16.
  @inline(__always)
  fileprivate init(half bits: UInt16) {
    let magnitude = UInt32(bits & 0x7FFF)
    let scaled = (Float(bitPattern: magnitude &<< 13) * 0x1p112).bitPattern
    let special: UInt32 = magnitude >= 0x7C00 ? 0x7F80_0000 : 0
    self.init(bitPattern: scaled | special | UInt32(bits & 0x8000) &<< 16)
  }
}
