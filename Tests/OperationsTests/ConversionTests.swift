import Operations
import Storage
import TestSupport
import Testing

private func bytes<Unit: FixedWidthInteger>(_ units: [Unit]) -> [UInt8] {
  units.flatMap { unit in
    (0..<Unit.bitWidth / 8).map { UInt8(truncatingIfNeeded: unit >> (8 * $0)) }
  }
}

private func widen<Scalar: ComputeScalar>(
  _ stored: [UInt8], _ type: ElementType, count: Int, as: Scalar.Type
) -> [Scalar] {
  unsafe [Scalar](unsafeUninitializedCapacity: count) { buffer, filled in
    unsafe stored.withUnsafeBytes {
      unsafe Scalar.widen(
        $0, of: type, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
    }
    filled = count
  }
}

private func round<Scalar: ComputeScalar>(_ values: [Scalar], _ type: ElementType) -> [UInt64] {
  let width = type.bitWidth / 8
  var stored = [UInt8](repeating: 0, count: values.count * width)
  unsafe stored.withUnsafeMutableBytes { stored in
    unsafe values.withUnsafeBufferPointer { unsafe Scalar.round($0, to: type, into: stored) }
  }
  return values.indices.map { index in
    stored[index * width..<(index + 1) * width].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}

/// Rounds a double to BF16 by the definition: the nearer neighbour, the even one of two.
private func nearestBF16(_ value: Double) -> UInt16 {
  let sign: UInt16 = value.sign == .minus ? 0x8000 : 0
  var (low, high): (UInt16, UInt16) = (0, 0x7F80)
  let magnitude = value.magnitude
  func number(_ bits: UInt16) -> Double {
    // Beyond the largest number comes the next power of two, where infinity takes its place.
    bits == 0x7F80 ? 0x1p128 : Double(Float(bitPattern: UInt32(bits) << 16))
  }
  while high - low > 1 {
    let middle = (low + high) / 2
    if number(middle) <= magnitude { low = middle } else { high = middle }
  }
  let (below, above) = (magnitude - number(low), number(high) - magnitude)
  let nearest = below == above ? (low & 1 == 0 ? low : high) : below < above ? low : high
  return nearest | sign
}

@Suite struct ConversionTests {
  @Test func everyHalfWidensAsTheHardwareTypeDoes() {
    let all = Array(UInt16.min...UInt16.max)
    let widened = widen(bytes(all), .f16, count: all.count, as: Float.self)
    for (bits, value) in zip(all, widened) {
      let expected = Float(Float16(bitPattern: bits))
      #expect(value == expected || (value.isNaN && expected.isNaN))
    }
  }

  @Test func floatsRoundToHalfAsTheHardwareTypeDoes() {
    var generator = SeededGenerator(seed: 0xF16)
    var values = (0..<200_000).map { _ in
      Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
    }
    values += (0..<200_000).map { _ in
      Float.random(in: -1...1, using: &generator) * Float.random(in: 0...0x1p-12, using: &generator)
    }
    values += [0, -0, 65_504, 65_519.996, 65_520, -65_520, 0x1p-24, 0x1p-25, 0x1.8p-25, .infinity]
    for (value, bits) in zip(values, round(values, .f16)) {
      let expected = Float16(value)
      let result = Float16(bitPattern: UInt16(bits))
      #expect(result.bitPattern == expected.bitPattern || (result.isNaN && value.isNaN), "\(value)")
    }
  }

  @Test func floatsRoundToBFloatToNearestEven() {
    var generator = SeededGenerator(seed: 0xBF16)
    var values = (0..<20_000).map { _ in
      Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
    }
    values += [0, -0, 1.00390625, 1.01171875, .greatestFiniteMagnitude, .leastNonzeroMagnitude]
    for (value, bits) in zip(values, round(values, .bf16)) where value.isFinite {
      #expect(UInt16(bits) == nearestBF16(Double(value)), "\(value)")
    }
    #expect(round([Float.nan], .bf16)[0] & 0x7FFF > 0x7F80)
  }

  @Test func doublesAreRoundedOnce() {
    // Halfway between two BF16 but for a bit that F32 cannot hold: rounding twice goes wrong.
    let values = [1 + 0x1p-8 + 0x1p-40, 1 + 0x1p-8 - 0x1p-40, 1 + 0x1p-8, -1 - 0x1p-8 - 0x1p-40]
    for (value, bits) in zip(values, round(values, .bf16)) {
      #expect(UInt16(bits) == nearestBF16(value), "\(value)")
    }
    let halves = [1 + 0x1p-11 + 0x1p-40, 1 + 0x1p-11 - 0x1p-40, 1 + 0x1p-11, 0x1p-25 + 0x1p-60]
    for (value, bits) in zip(halves, round(halves, .f16)) {
      #expect(UInt16(bits) == Float16(value).bitPattern, "\(value)")
    }
  }

  @Test(arguments: [ElementType.bf16, .f16, .f32])
  func wideningAndRoundingGivesTheSameBitsBack(_ type: ElementType) {
    var generator = SeededGenerator(seed: 5)
    let units = (0..<4096).map { _ in UInt32(truncatingIfNeeded: generator.next()) }
    let stored = type == .f32 ? bytes(units) : bytes(units.map { UInt16(truncatingIfNeeded: $0) })
    let single = widen(stored, type, count: 4096, as: Float.self)
    let double = widen(stored, type, count: 4096, as: Double.self)
    for (index, unit) in units.enumerated() where single[index].isFinite {
      let expected = type == .f32 ? UInt64(unit) : UInt64(unit & 0xFFFF)
      #expect(round([single[index]], type)[0] == expected)
      #expect(round([double[index]], type)[0] == expected)
    }
  }
}
