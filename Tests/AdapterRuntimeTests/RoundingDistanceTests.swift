import AdapterRuntime
import Storage
import Testing

@Suite struct RoundingDistanceTests {
  private func distances(
    _ stored: [Double], _ exact: [Double], _ type: ElementType
  ) -> RoundingDistances {
    var distances = RoundingDistances(type)
    unsafe stored.withUnsafeBufferPointer { stored in
      unsafe exact.withUnsafeBufferPointer { unsafe distances.add(stored, $0) }
    }
    return distances
  }

  /// The unit is that of the type at the exact value: in subnormals, at zero, at and beside powers of two.
  @Test(arguments: [
    (1.0, ElementType.f32, 0x1p-23), (1.5, .bf16, 0x1p-7), (-3.0, .f16, 0x1p-9),
    (0.999, .f32, 0x1p-24), (0, .f16, 0x1p-24), (0x1p-20, .f16, 0x1p-24), (0, .bf16, 0x1p-133),
    (0x1p-140, .f32, 0x1p-149), (1, .f64, 0x1p-52), (0, .f64, 0x1p-1074),
    (0x1p-1030, .f64, 0x1p-1074), (0x1p-1000, .f64, 0x1p-1052), (0x1p127, .f32, 0x1p104),
  ])
  func theUnitIsTheDistanceOfNeighbours(_ exact: Double, _ type: ElementType, _ unit: Double) {
    #expect(distances([exact + unit], [exact], type).largest == 1)
    #expect(distances([exact - unit], [exact], type).count == 0)
    let far = distances([exact, exact + 2 * unit, exact - 3 * unit], [exact, exact, exact], type)
    #expect(far.count == 2 && far.largest == 3)
  }

  /// What a value becomes by rounding is right, whatever it is.
  @Test func noNumbersAreComparedByWhatRoundingMakes() {
    let infinity = Double.infinity
    #expect(distances([infinity], [65_520], .f16).largest == 0)
    #expect(distances([infinity], [65_519], .f16).largest == infinity)
    #expect(distances([65_504], [65_519], .f16).largest < 0.5)
    #expect(distances([.nan, infinity, -infinity], [.nan, infinity, -infinity], .bf16).count == 0)
    #expect(distances([-infinity], [infinity], .f32).count == 1)
    #expect(distances([.nan], [1], .f32).count == 1)
    #expect(distances([1], [.nan], .f32).count == 1)
    #expect(distances([0], [infinity], .f32).largest == infinity)
  }
}
