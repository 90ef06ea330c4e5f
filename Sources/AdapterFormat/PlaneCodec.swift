internal import Storage

/// How the units of an element type are cut into planes (Spec/adp-v1.md, section 6.1).
struct PlaneCodec: Hashable {
  /// Bytes of a unit, which is also the number of planes.
  let width: Int
  /// Whether units are rotated left by one bit.
  let isRotated: Bool

  init(_ type: ElementType) {
    switch type {
    case .f16, .bf16: (width, isRotated) = (2, true)
    case .i16, .u16: (width, isRotated) = (2, false)
    case .f32, .c64: (width, isRotated) = (4, true)
    case .i32, .u32: (width, isRotated) = (4, false)
    case .f64: (width, isRotated) = (8, true)
    case .i64, .u64: (width, isRotated) = (8, false)
    default: (width, isRotated) = (1, false)
    }
  }

  /// Cuts units into planes: plane k fills the k-th part of `planes`, which is as long as `units`.
  func split(_ units: UnsafeRawBufferPointer, into planes: UnsafeMutableRawBufferPointer) {
    switch (width, isRotated) {
    case (2, true): unsafe splitUnits(units, into: planes, as: UInt16.self, rotatedBy: 1)
    case (2, false): unsafe splitUnits(units, into: planes, as: UInt16.self, rotatedBy: 0)
    case (4, true): unsafe splitUnits(units, into: planes, as: UInt32.self, rotatedBy: 1)
    case (4, false): unsafe splitUnits(units, into: planes, as: UInt32.self, rotatedBy: 0)
    case (8, true): unsafe splitUnits(units, into: planes, as: UInt64.self, rotatedBy: 1)
    case (8, false): unsafe splitUnits(units, into: planes, as: UInt64.self, rotatedBy: 0)
    default: unsafe planes.copyMemory(from: units)
    }
  }

  /// Joins planes into units, the inverse of `split`.
  func join(_ planes: UnsafeRawBufferPointer, into units: UnsafeMutableRawBufferPointer) {
    switch (width, isRotated) {
    case (2, true): unsafe joinUnits(planes, into: units, as: UInt16.self, rotatedBy: 1)
    case (2, false): unsafe joinUnits(planes, into: units, as: UInt16.self, rotatedBy: 0)
    case (4, true): unsafe joinUnits(planes, into: units, as: UInt32.self, rotatedBy: 1)
    case (4, false): unsafe joinUnits(planes, into: units, as: UInt32.self, rotatedBy: 0)
    case (8, true): unsafe joinUnits(planes, into: units, as: UInt64.self, rotatedBy: 1)
    case (8, false): unsafe joinUnits(planes, into: units, as: UInt64.self, rotatedBy: 0)
    default: unsafe units.copyMemory(from: planes)
    }
  }
}

// Plain loops over whole planes: the compiler turns each into vector code, one pass per plane over
// units that stay in the cache.

@inline(__always)
private func splitUnits<Unit: FixedWidthInteger & UnsignedInteger>(
  _ units: UnsafeRawBufferPointer, into planes: UnsafeMutableRawBufferPointer, as: Unit.Type,
  rotatedBy bits: Unit
) {
  let width = Unit.bitWidth / 8
  let count = units.count / width
  guard let source = units.baseAddress, let target = planes.baseAddress else { return }
  for plane in 0..<width {
    let shift = Unit(8 &* plane)
    let part = unsafe (target + plane &* count).assumingMemoryBound(to: UInt8.self)
    for index in 0..<count {
      var unit = unsafe source.loadUnaligned(fromByteOffset: index &* width, as: Unit.self)
        .littleEndian
      unit = unit &<< bits | (bits == 0 ? 0 : unit &>> (Unit(Unit.bitWidth) &- bits))
      unsafe part[index] = UInt8(truncatingIfNeeded: unit &>> shift)
    }
  }
}

@inline(__always)
private func joinUnits<Unit: FixedWidthInteger & UnsignedInteger>(
  _ planes: UnsafeRawBufferPointer, into units: UnsafeMutableRawBufferPointer, as: Unit.Type,
  rotatedBy bits: Unit
) {
  let width = Unit.bitWidth / 8
  let count = units.count / width
  guard let base = planes.baseAddress, let target = units.baseAddress else { return }
  let source = unsafe base.assumingMemoryBound(to: UInt8.self)
  for index in 0..<count {
    var unit: Unit = 0
    for plane in 0..<width {
      unit |=
        unsafe Unit(truncatingIfNeeded: source[plane &* count &+ index])
        &<< Unit(8 &* plane)
    }
    unit = unit &>> bits | (bits == 0 ? 0 : unit &<< (Unit(Unit.bitWidth) &- bits))
    unsafe target.storeBytes(
      of: unit.littleEndian, toByteOffset: index &* width, as: Unit.self)
  }
}
