import AdapterInsight
import Foundation
import Operations
import Storage
import StrictJSON
import TestSupport
import Testing

private let rank = 64
private let size = 80

/// Products of so high a rank that their distance is worked out in another way.
@Suite struct LargeRankTests {
  private struct Factors {
    var a: [Float]
    var b: [Float]

    init(seed: UInt64) {
      var random = SeededGenerator(seed: seed)
      func values(_ count: Int) -> [Float] {
        (0..<count).map { _ in Float.random(in: -1...1, using: &random) }
      }
      (a, b) = (values(rank * size), values(size * rank))
    }

    var adapter: Adapter {
      get throws {
        var made = HandMadeAdapter()
        let (a, b) = (made.operand("a", [rank, size], a), made.operand("b", [size, rank], b))
        try made.append(
          AddLowRank(target: Target("layer.weight", layout: .outIn), a: a, b: b, scale: 1))
        return made.adapter
      }
    }

    /// B · A in F64, written out.
    var product: [Double] {
      (0..<size * size).map { place in
        (0..<rank).reduce(0) { sum, inner in
          sum + Double(b[place / size * rank + inner]) * Double(a[inner * size + place % size])
        }
      }
    }
  }

  /// From far apart to a last digit: the quick way, and the exact one where that would lose digits.
  @Test(arguments: [1, 1e-2, 1e-4, 1e-6, 0] as [Float])
  func distancesAreThoseOfDenseMatrices(_ step: Float) throws {
    let left = Factors(seed: 1)
    var right = left
    let other = Factors(seed: 2)
    for index in right.b.indices { right.b[index] += step * other.b[index] }
    let comparison = try EffectComparison(try left.adapter, try right.adapter)
    let part = try #require(comparison.targets.first?.parts.first)
    let (x, y) = (left.product, right.product)
    let distance = zip(x, y).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
    let norm = x.reduce(0) { $0 + $1 * $1 }.squareRoot()
    #expect(abs(part.distance - distance) <= 1e-9 * distance + 1e-13 * norm)
    #expect(abs(part.leftNorm - norm) <= 1e-12 * norm)
  }

  /// Angles between spaces that were made with them: the quick way, and the exact one for angles that squares would round.
  @Test(arguments: [[0.3, 1.5], [0, 1.5], [1e-6, 1.2]])
  func anglesAreThoseOfTheSpaces(_ ends: [Double]) throws {
    let angles = (0..<rank).map { ends[0] + (ends[1] - ends[0]) * Double($0) / Double(rank - 1) }
    let (left, right) = (try turned(by: nil, seed: 3), try turned(by: angles, seed: 4))
    let comparison = try EffectComparison(left, right, .angles)
    let part = try #require(comparison.targets.first?.parts.first)
    for values in [part.outputAngles?.values, part.inputAngles?.values] {
      let values = try #require(values)
      #expect(values.count == rank)
      for (value, angle) in zip(values, angles) { #expect(abs(value - angle) <= 2e-9) }
    }
  }

  /// Factors that are higher than wide, so that the outputs are the whole space, and the inputs a part of that of A.
  @Test func aWideFactorFillsItsSpace() throws {
    var random = SeededGenerator(seed: 5)
    let adapters = try (0..<2).map { _ in
      var made = HandMadeAdapter()
      let b = (0..<40 * rank).map { _ in Float.random(in: -1...1, using: &random) }
      let a = (0..<rank * 300).map { _ in Float.random(in: -1...1, using: &random) }
      try made.append(
        AddLowRank(
          target: Target("layer.weight", layout: .outIn), a: made.operand("a", [rank, 300], a),
          b: made.operand("b", [40, rank], b), scale: 1))
      return made.adapter
    }
    let comparison = try EffectComparison(adapters[0], adapters[1], .angles)
    let part = try #require(comparison.targets.first?.parts.first)
    #expect(part.outputAngles?.values == Array(repeating: 0, count: 40))
    // Of 40 dimensions each among 300, none is shared.
    let inputs = try #require(part.inputAngles?.values)
    #expect(inputs.count == 40 && inputs[0] > 0.3)
  }

  /// B and A whose spaces have these angles to those without any: of orthonormal columns eᵢ, cos θᵢ · eᵢ + sin θᵢ · eᵢ₊ᵣ,
  /// each basis mixed.
  private func turned(by angles: [Double]?, seed: UInt64) throws -> Adapter {
    var random = SeededGenerator(seed: seed)
    let height = 2 * rank + 10
    func basis() -> [Double] {
      var values = [Double](repeating: 0, count: rank * height)
      for row in 0..<rank {
        let mix = (0..<rank).map { $0 == row ? 1 : Double.random(in: -0.1...0.1, using: &random) }
        for column in 0..<rank {
          let angle = angles?[column] ?? 0
          values[row * height + column] = mix[column] * cos(angle)
          values[row * height + rank + column] = mix[column] * sin(angle)
        }
      }
      return values
    }
    let (outputs, inputs) = (basis(), basis())
    let b = (0..<height * rank).map { outputs[$0 % rank * height + $0 / rank] }
    var made = HandMadeAdapter()
    func operand(_ name: Name, _ dimensions: [Int], _ values: [Double]) -> TypedOperand {
      let bytes = values.flatMap { value in
        (0..<8).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
      }
      return made.operand(name, dimensions, .f64, bytes)
    }
    try made.append(
      AddLowRank(
        target: Target("layer.weight", layout: .outIn),
        a: operand("a", [rank, height], inputs),
        b: operand("b", [height, rank], b), scale: 1))
    return made.adapter
  }
}
