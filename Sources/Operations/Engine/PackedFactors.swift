package import Storage

/// The factors of scale · B · A as `PackedMatrix` takes them, for rows of the stored matrix.
package struct PackedFactors: Sendable {
  /// Rows of the stored matrix.
  package let rows: Int
  /// Its columns.
  package var columns: Int { right.columns }
  /// The factor of the rows, [rows, rank].
  private let left: [Float]
  /// The factor of the columns, [rank, columns].
  private let right: PackedMatrix

  /// Lays factors out; nil where this processor or this type of arithmetic has no kernel for them.
  ///
  /// - Parameters:
  ///   - factors: of the logical weight; their scale is left out.
  ///   - layout: how the weight is stored.
  ///   - kernel: the form of the kernel.
  package init?<Scalar: ComputeScalar>(
    _ factors: LowRankFactors<Scalar>, _ layout: Layout, for kernel: StoredRowsKernel? = .best
  ) {
    guard let factors = factors as? LowRankFactors<Float>, layout != .unresolved else { return nil }
    let (rank, outputs, inputs) = (factors.rank, factors.outputCount, factors.inputCount)
    let right =
      layout == .inOut
      ? PackedMatrix(rows: rank, columns: outputs, for: kernel) { k, column in
        factors.b[column * rank + k]
      }
      : PackedMatrix(rows: rank, columns: inputs, for: kernel) { k, column in
        factors.a[k * inputs + column]
      }
    guard let right else { return nil }
    self.right = right
    (rows, left) =
      layout == .inOut
      ? (inputs, Self.transposed(factors.a, rows: rank, columns: inputs)) : (outputs, factors.b)
  }

  private static func transposed(_ values: [Float], rows: Int, columns: Int) -> [Float] {
    var result = [Float](repeating: 0, count: values.count)
    for row in 0..<rows {
      for column in 0..<columns { result[column * rows + row] = values[row * columns + column] }
    }
    return result
  }

  /// Adds a multiple of B · A to rows, each value rounded once, to nearest even.
  ///
  /// - Parameters:
  ///   - factor: what B · A is multiplied with.
  ///   - rows: which rows of the stored matrix they are.
  ///   - type: their element type, one that is taken.
  ///   - stored: the rows; little-endian, `columns` elements each, without gaps.
  package func add(
    _ factor: Float, rows: Range<Int>, as type: ElementType, to stored: UnsafeMutableRawPointer
  ) {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= self.rows, "rows out of bounds")
    let rank = right.rows
    unsafe left.withUnsafeBufferPointer { left in
      guard let left = left.baseAddress else { return }
      unsafe right.multiplyAdd(
        left + rows.lowerBound * rank, leftStride: rank, scale: factor, count: rows.count, as: type,
        to: stored)
    }
  }
}
