package import Storage

/// A product of two factors that nearly reverts a change when it is subtracted and rounded.
package struct BitFactors: Sendable {
  /// [rows, r].
  package let left: [Float]
  /// [r, columns].
  package let right: [Float]
  /// r.
  package let rank: Int

  package init(left: [Float], right: [Float], rank: Int) {
    (self.left, self.right, self.rank) = (left, right, rank)
  }

  /// Takes the product away from elements, in row-major order, and rounds. What would be NaN stays as it is: its bits
  /// would hang on the processor.
  package func subtract(
    from stored: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
    _ type: ElementType, _ elements: Range<Int>, columns: Int
  ) {
    if type.bitWidth == 16 {
      unsafe subtract(from: stored, into: result, type, elements, columns, Float.self)
    } else {
      unsafe subtract(from: stored, into: result, type, elements, columns, Double.self)
    }
  }

  private func subtract<Scalar: ComputeScalar>(
    from stored: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
    _ type: ElementType, _ elements: Range<Int>, _ columns: Int, _: Scalar.Type
  ) {
    var values = [Scalar](repeating: 0, count: elements.count)
    unsafe values.withUnsafeMutableBufferPointer {
      unsafe Scalar.widen(stored, of: type, into: $0)
    }
    var sums = [Scalar](repeating: 0, count: columns)
    var place = elements.lowerBound
    while place < elements.upperBound {
      let (row, column) = (place / columns, place % columns)
      let count = min(columns - column, elements.upperBound - place)
      sum(row, column..<column + count, into: &sums)
      let first = place - elements.lowerBound
      subtract(sums, count, from: &values, at: first)
      place += count
    }
    let kept = Self.places(ofNaN: values).map { place in
      (place, unsafe Array(stored[place * type.bitWidth / 8..<(place + 1) * type.bitWidth / 8]))
    }
    unsafe values.withUnsafeBufferPointer { unsafe Scalar.round($0, to: type, into: result) }
    for (place, bytes) in kept {
      for (offset, byte) in bytes.enumerated() {
        unsafe result[place * type.bitWidth / 8 + offset] = byte
      }
    }
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private static func places<Scalar: ComputeScalar>(ofNaN values: [Scalar]) -> [Int] {
    var hasNaN = false
    for value in values where value != value { hasNaN = true }
    return hasNaN ? values.indices.filter { values[$0].isNaN } : []
  }

  /// sums[j] ← Σ left[row, k] · right[k, j], k = 0 … r − 1 in turn.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private func sum<Scalar: ComputeScalar>(
    _ row: Int, _ columns: Range<Int>, into sums: inout [Scalar]
  ) {
    let width = rank > 0 ? right.count / rank : 0
    unsafe sums.withUnsafeMutableBufferPointer { sums in
      unsafe right.withUnsafeBufferPointer { right in
        for index in 0..<columns.count { unsafe sums[index] = 0 }
        for k in 0..<rank {
          let factor = Scalar(left[row * rank + k])
          let start = k * width + columns.lowerBound
          for index in 0..<columns.count {
            unsafe sums[index] += factor * Scalar(right[start &+ index])
          }
        }
      }
    }
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private func subtract<Scalar: ComputeScalar>(
    _ sums: [Scalar], _ count: Int, from values: inout [Scalar], at first: Int
  ) {
    for index in 0..<count { values[first + index] -= sums[index] }
  }
}
