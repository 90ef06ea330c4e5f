internal import CPlatform
package import Storage

/// A type that parameters are computed in: `Float` (F32) or `Double` (F64).
package protocol ComputeScalar: BinaryFloatingPoint, Codable, SIMDScalar, Sendable
where SIMD4Storage: Sendable {
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

extension Array where Element: ComputeScalar {
  /// Rounded once to a float type, to nearest even.
  package func rounded(to type: ElementType) -> [UInt8] {
    let size = count * type.bitWidth / 8
    return unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, initialized in
      unsafe withUnsafeBufferPointer { values in
        unsafe Element.round(
          values, to: type,
          into: UnsafeMutableRawBufferPointer(
            UnsafeMutableBufferPointer(rebasing: buffer[..<size])))
      }
      initialized = size
    }
  }
}

// Plain loops over one unit at a time, which the compiler turns into vector code: the element type is
// chosen outside of them. Between F32 and the 16-bit floats there are wider ones, in C.

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
    guard let source = stored.baseAddress, let target = values.baseAddress else { return }
    let count = values.count
    switch type {
    case .bf16: unsafe platform_widen_bf16(source, target, count)
    case .f16: unsafe platform_widen_f16(source, target, count)
    case .f32:
      unsafe widenUnits(stored, values) { (unit: UInt32) in Float(bitPattern: unit) }
    default: preconditionFailure("\(type.rawValue) is not widened to F32")
    }
  }

  package static func round(
    _ values: UnsafeBufferPointer<Float>, to type: ElementType,
    into stored: UnsafeMutableRawBufferPointer
  ) {
    guard let source = values.baseAddress, let target = stored.baseAddress else { return }
    let count = values.count
    switch type {
    case .bf16: unsafe platform_round_bf16(source, target, count)
    case .f16: unsafe platform_round_f16(source, target, count)
    case .f32: unsafe narrowUnits(values, stored) { $0.bitPattern }
    case .f64: unsafe narrowUnits(values, stored) { Double($0).bitPattern }
    default: preconditionFailure("\(type.rawValue) is not a type that is rounded to")
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
    case .bf16: unsafe narrowUnits(values, stored) { bfloat(oddFloat($0)) }
    case .f16: unsafe narrowUnits(values, stored) { half(oddFloat($0)) }
    case .f32: unsafe narrowUnits(values, stored) { Float($0).bitPattern }
    case .f64: unsafe narrowUnits(values, stored) { $0.bitPattern }
    default: preconditionFailure("nothing is rounded to \(type.rawValue)")
    }
  }
}

/// F64 to F32, rounded to odd: a second rounding to a narrower type is then right.
private func oddFloat(_ value: Double) -> Float {
  guard value.isFinite else { return Float(value) }
  let narrowed = Float(value)
  var bits = narrowed.bitPattern
  if Double(narrowed).magnitude > value.magnitude { bits -= 1 }
  if Double(narrowed) != value { bits |= 1 }
  return Float(bitPattern: bits)
}

/// F32 to BF16, to nearest even.
private func bfloat(_ value: Float) -> UInt16 {
  var (value, unit) = (value, UInt16())
  unsafe platform_round_bf16_any(&value, &unit, 1)
  return unit
}

/// F32 to F16, to nearest even.
private func half(_ value: Float) -> UInt16 {
  var (value, unit) = (value, UInt16())
  unsafe platform_round_f16_any(&value, &unit, 1)
  return unit
}

extension Float {
  /// The value of an F16.
  fileprivate init(half bits: UInt16) {
    var bits = bits
    self = 0
    unsafe platform_widen_f16_any(&bits, &self, 1)
  }
}
