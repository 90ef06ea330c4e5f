import Operations
import Storage
import TestSupport
import Testing

/// The kernel for stored rows, where this processor has it, against the sum that it stands for: one step after the other,
/// each fused.
@Suite struct PackedFactorsTests {
  private struct Case: Sendable {
    let rows: Int
    let columns: Int
    let rank: Int
  }

  private static let cases = [
    (1, 1, 1), (5, 15, 3), (6, 16, 8), (7, 17, 16), (13, 33, 5), (64, 48, 64), (11, 40, 300),
    (3, 2_500, 16), (12, 1, 2), (2, 16, 1), (29, 72, 7), (25, 1_000, 2),
  ].map { Case(rows: $0.0, columns: $0.1, rank: $0.2) }

  private func values(_ count: Int, _ random: inout SeededGenerator) -> [Float] {
    (0..<count).map { _ in Float.random(in: -1...1, using: &random) }
  }

  @Test(arguments: cases.indices, [ElementType.f32, .bf16, .f16])
  func everyValueIsTheSumInItsOrder(place: Int, type: ElementType) throws {
    let shape = Self.cases[place]
    var random = SeededGenerator(seed: UInt64(place))
    let a = values(shape.rank * shape.columns, &random)
    let b = values(shape.rows * shape.rank, &random)
    let stored = values(shape.rows * shape.columns, &random).rounded(to: type)
    let base = widened(stored, type)
    var sums = [Float](repeating: 0, count: base.count)
    for row in 0..<shape.rows {
      for column in 0..<shape.columns {
        var sum: Float = 0
        for k in 0..<shape.rank {
          sum.addProduct(b[row * shape.rank + k], a[k * shape.columns + column])
        }
        let index = row * shape.columns + column
        sums[index] = base[index].addingProduct(0.75, sum)
      }
    }
    let expected = sums.rounded(to: type)

    for layout in [Layout.outIn, .inOut] {
      // Stored in_out, what the rows have is A: the same matrix, from factors that have changed places.
      let (left, right) =
        layout == .outIn
        ? (a, b) : (transposed(b, columns: shape.rank), transposed(a, columns: shape.columns))
      let factors = try LowRankFactors<Float>(
        a: left, b: right, rank: shape.rank,
        inputCount: layout == .outIn ? shape.columns : shape.rows)
      for kernel in StoredRowsKernel.allCases where kernel.isSupported {
        guard let packed = PackedFactors(factors, layout, for: kernel) else { continue }
        var result = stored
        // In two parts, as readers of a tensor cut it.
        let half = shape.rows / 2
        let width = shape.columns * type.bitWidth / 8
        unsafe result.withUnsafeMutableBytes { bytes in
          guard let start = bytes.baseAddress else { return }
          unsafe packed.add(0.75, rows: 0..<half, as: type, to: start)
          unsafe packed.add(
            0.75, rows: half..<shape.rows, as: type, to: start + half * width)
        }
        #expect(result == expected, "\(layout), \(kernel.rawValue)")
      }
    }
  }

  /// A NaN stays one, an overflow is an infinity, and values beside them are what they would be.
  @Test(arguments: [ElementType.f32, .bf16, .f16])
  func whatIsNotFiniteStaysInItsPlace(type: ElementType) throws {
    let factors = try LowRankFactors<Float>(
      a: Array(repeating: 3e38, count: 16), b: [1], rank: 1, inputCount: 16)
    guard let packed = PackedFactors(factors, .outIn) else { return }
    var base = [Float](repeating: 1, count: 16)
    base[3] = .nan
    base[7] = -.infinity
    var stored = base.rounded(to: type)
    unsafe stored.withUnsafeMutableBytes { bytes in
      guard let start = bytes.baseAddress else { return }
      unsafe packed.add(10, rows: 0..<1, as: type, to: start)
    }
    let result = widened(stored, type)
    #expect(result[3].isNaN && result[7] == -.infinity)
    #expect(result.indices.allSatisfy { [3, 7].contains($0) || result[$0] == .infinity })
  }

  private func widened(_ stored: [UInt8], _ type: ElementType) -> [Float] {
    let count = stored.count * 8 / type.bitWidth
    return unsafe [Float](unsafeUninitializedCapacity: count) { buffer, filled in
      unsafe stored.withUnsafeBytes {
        unsafe Float.widen(
          $0, of: type, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
      }
      filled = count
    }
  }

  private func transposed(_ values: [Float], columns: Int) -> [Float] {
    let rows = values.count / columns
    return (0..<values.count).map { values[$0 % rows * columns + $0 / rows] }
  }
}
