import AdapterInsight
import Operations
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
}
