import Foundation
import Operations
import TestSupport
import Testing

/// Transforms against the sums that they stand for.
@Suite struct FourierTransformTests {
  /// Every kind of pass, alone and after others; 1,376 is 32 · 43.
  @Test(arguments: [1, 2, 3, 4, 5, 8, 12, 15, 16, 49, 60, 64, 127, 254, 576, 1_376])
  func valuesAreTheSums(count: Int) throws {
    let transform = try #require(FourierTransform<Double>(count: count))
    var random = SeededGenerator(seed: UInt64(count))
    var values = FourierTransform<Double>.Values(count: count)
    for index in 0..<count {
      values.add(lanes(&random), lanes(&random), at: index)
    }
    let (real, imaginary) = (values.real, values.imaginary)
    transform.apply(to: &values)
    for place in stride(from: 0, to: count, by: max(1, count / 50)) {
      var (x, y) = (SIMD4<Double>(), SIMD4<Double>())
      for index in 0..<count {
        let angle = 2 * Double.pi * Double(place * index % count) / Double(count)
        x += real[index] * cos(angle) - imaginary[index] * sin(angle)
        y += real[index] * sin(angle) + imaginary[index] * cos(angle)
      }
      let far = abs(values.real[place] - x).max() + abs(values.imaginary[place] - y).max()
      #expect(far < 1e-12 * Double(count + 10), "\(place)")
    }
  }

  /// What a product does in fewer steps.
  @Test(arguments: [0, 131, 262, 4_099])
  func lengthsOfLargePrimesHaveNone(count: Int) {
    #expect(FourierTransform<Float>(count: count) == nil)
  }

  private func lanes(_ random: inout SeededGenerator) -> SIMD4<Double> {
    .random(in: -1...1, using: &random)
  }

  private func abs(_ values: SIMD4<Double>) -> SIMD4<Double> {
    values.replacing(with: -values, where: values .< 0)
  }
}
