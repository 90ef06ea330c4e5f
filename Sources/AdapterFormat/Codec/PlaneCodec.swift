internal import CPlatform
package import Storage

/// How the units of an element type are cut into planes (Spec/adp-v1.md, section 6.1).
package struct PlaneCodec: Hashable {
  /// Bytes of a unit, which is also the number of planes.
  package let width: Int
  /// True if units are rotated left by one bit.
  let isRotated: Bool

  package init(_ type: ElementType) {
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

  /// Cuts `count` units into planes of `count` bytes each, which may lie anywhere.
  func split(
    _ units: UnsafeRawPointer, count: Int, into planes: UnsafePointer<UnsafeMutableRawPointer>
  ) {
    switch (width, isRotated) {
    case (2, true): unsafe splitPairs(units, count, planes[0], planes[1], rotatedBy: 1)
    case (2, false): unsafe splitPairs(units, count, planes[0], planes[1], rotatedBy: 0)
    case (4, true): unsafe splitUnits(units, count, planes, as: UInt32.self, rotatedBy: 1)
    case (4, false): unsafe splitUnits(units, count, planes, as: UInt32.self, rotatedBy: 0)
    case (8, true): unsafe splitUnits(units, count, planes, as: UInt64.self, rotatedBy: 1)
    case (8, false): unsafe splitUnits(units, count, planes, as: UInt64.self, rotatedBy: 0)
    default: unsafe planes[0].copyMemory(from: units, byteCount: count)
    }
  }

  /// Joins planes into units: the inverse of `split`.
  func join(
    _ planes: UnsafePointer<UnsafeRawPointer>, count: Int, into units: UnsafeMutableRawPointer
  ) {
    switch (width, isRotated) {
    case (2, true): unsafe joinPairs(planes[0], planes[1], count, units, rotatedBy: 1)
    case (2, false): unsafe joinPairs(planes[0], planes[1], count, units, rotatedBy: 0)
    case (4, true): unsafe joinQuadruples(planes, count, units, rotatedBy: 1)
    case (4, false): unsafe joinQuadruples(planes, count, units, rotatedBy: 0)
    case (8, true): unsafe joinOctuples(planes, count, units, rotatedBy: 1)
    case (8, false): unsafe joinOctuples(planes, count, units, rotatedBy: 0)
    default: unsafe units.copyMemory(from: planes[0], byteCount: count)
    }
  }
}

// Plain loops, which the compiler turns into vector code: of units of two bytes both planes at once; of wider ones
// plane by plane, over so few units at a time that they stay in the first cache.

private let unitsAtATime = 1024

@inline(__always)
private func splitPairs(
  _ units: UnsafeRawPointer, _ count: Int, _ low: UnsafeMutableRawPointer,
  _ high: UnsafeMutableRawPointer, rotatedBy bits: UInt16
) {
  let low = unsafe low.assumingMemoryBound(to: UInt8.self)
  let high = unsafe high.assumingMemoryBound(to: UInt8.self)
  for index in 0..<count {
    var unit = unsafe units.loadUnaligned(fromByteOffset: 2 &* index, as: UInt16.self).littleEndian
    unit = bits == 0 ? unit : unit &<< bits | unit &>> (16 &- bits)
    unsafe low[index] = UInt8(truncatingIfNeeded: unit)
    unsafe high[index] = UInt8(truncatingIfNeeded: unit &>> 8)
  }
}

@inline(__always)
private func splitUnits<Unit: FixedWidthInteger & UnsignedInteger>(
  _ units: UnsafeRawPointer, _ count: Int, _ planes: UnsafePointer<UnsafeMutableRawPointer>,
  as: Unit.Type, rotatedBy bits: Unit
) {
  let width = Unit.bitWidth / 8
  var start = 0
  while start < count {
    let end = min(start &+ unitsAtATime, count)
    for plane in 0..<width {
      let shift = Unit(8 &* plane)
      let part = unsafe planes[plane].assumingMemoryBound(to: UInt8.self)
      for index in start..<end {
        var unit = unsafe units.loadUnaligned(fromByteOffset: index &* width, as: Unit.self)
          .littleEndian
        unit = bits == 0 ? unit : unit &<< bits | unit &>> (Unit(Unit.bitWidth) &- bits)
        unsafe part[index] = UInt8(truncatingIfNeeded: unit &>> shift)
      }
    }
    start = end
  }
}

@inline(__always)
private func joinPairs(
  _ low: UnsafeRawPointer, _ high: UnsafeRawPointer, _ count: Int,
  _ units: UnsafeMutableRawPointer, rotatedBy bits: UInt16
) {
  var start = 0
  if unsafe isAligned(units) {
    while start &+ 16 <= count {
      unsafe platform_join_pairs(units + 2 &* start, low + start, high + start, UInt32(bits))
      start &+= 16
    }
    platform_end_streaming()
  }
  let (low, high) = unsafe (bytes(low), bytes(high))
  for index in start..<count {
    var unit = unsafe UInt16(low[index]) | UInt16(high[index]) &<< 8
    unit = bits == 0 ? unit : unit &>> bits | unit &<< (16 &- bits)
    unsafe units.storeBytes(of: unit.littleEndian, toByteOffset: 2 &* index, as: UInt16.self)
  }
}

@inline(__always)
private func joinQuadruples(
  _ planes: UnsafePointer<UnsafeRawPointer>, _ count: Int, _ units: UnsafeMutableRawPointer,
  rotatedBy bits: UInt32
) {
  var start = 0
  if unsafe isAligned(units) {
    while start &+ 16 <= count {
      unsafe platform_join_quadruples(
        units + 4 &* start, planes[0] + start, planes[1] + start, planes[2] + start,
        planes[3] + start, bits)
      start &+= 16
    }
    platform_end_streaming()
  }
  let (a, b) = unsafe (bytes(planes[0]), bytes(planes[1]))
  let (c, d) = unsafe (bytes(planes[2]), bytes(planes[3]))
  for index in start..<count {
    let low = unsafe UInt32(a[index]) | UInt32(b[index]) &<< 8
    var unit = unsafe low | UInt32(c[index]) &<< 16 | UInt32(d[index]) &<< 24
    unit = bits == 0 ? unit : unit &>> bits | unit &<< (32 &- bits)
    unsafe units.storeBytes(of: unit.littleEndian, toByteOffset: 4 &* index, as: UInt32.self)
  }
}

@inline(__always)
private func joinOctuples(
  _ planes: UnsafePointer<UnsafeRawPointer>, _ count: Int, _ units: UnsafeMutableRawPointer,
  rotatedBy bits: UInt64
) {
  for index in 0..<count {
    var unit: UInt64 = 0
    for plane in 0..<8 {
      unit |= unsafe UInt64(bytes(planes[plane])[index]) &<< UInt64(8 &* plane)
    }
    unit = bits == 0 ? unit : unit &>> bits | unit &<< (64 &- bits)
    unsafe units.storeBytes(of: unit.littleEndian, toByteOffset: 8 &* index, as: UInt64.self)
  }
}

@inline(__always)
private func bytes(_ plane: UnsafeRawPointer) -> UnsafePointer<UInt8> {
  unsafe plane.assumingMemoryBound(to: UInt8.self)
}

/// Returns true if units may be stored past the caches: far more is restored than these hold.
private func isAligned(_ units: UnsafeMutableRawPointer) -> Bool {
  Int(bitPattern: units) % 16 == 0
}
