package import AdapterFormat
package import Storage
package import StrictJSON

/// Two factors of a change B · A, in memory.
package struct LowRankFactors<Scalar: ComputeScalar>: Sendable {
  /// A, [rank, in].
  package var a: [Scalar]
  /// B, [out, rank].
  package var b: [Scalar]
  package var rank: Int
  package var inputCount: Int

  /// Multiplies the rows of A.
  package mutating func scaleRows(by factors: [Scalar]) {
    for row in 0..<rank {
      for column in 0..<inputCount { a[row * inputCount + column] *= factors[row] }
    }
  }

  /// Multiplies the rows of B.
  package mutating func scaleOutputs(by factors: [Scalar]) {
    for (row, factor) in factors.enumerated() {
      for column in 0..<rank { b[row * rank + column] *= factor }
    }
  }

  /// Keeps these inputs only.
  package func columns(_ range: Range<Int>) -> LowRankFactors {
    var part = self
    part.a = (0..<rank).flatMap { row in
      a[row * inputCount + range.lowerBound..<row * inputCount + range.upperBound]
    }
    part.inputCount = range.count
    return part
  }

  /// Keeps these outputs only.
  package func rows(_ range: Range<Int>) -> LowRankFactors {
    var part = self
    part.b = Array(b[range.lowerBound * rank..<range.upperBound * rank])
    return part
  }

  /// scale · B · A, for these rows of the stored matrix, added to `values` from `first` on.
  ///
  /// `out_in`: rows of W are rows of B; the tile is B[rows, :] · A, [rows, in].
  /// `in_out`: rows of Wᵀ are columns of A; the tile is A[:, rows]ᵀ · Bᵀ, [rows, out].
  package func add(
    _ layout: Layout, scale: Scalar, rows: Range<Int>, columns: Int,
    to values: inout [Scalar], at first: Int = 0
  ) {
    let isTransposed = layout == .inOut
    guard rank > 0, !rows.isEmpty, columns > 0 else { return }
    let product = MatrixProduct(
      rows: rows.count, columns: columns, inner: rank,
      a: (isTransposed, isTransposed ? inputCount : rank),
      b: (isTransposed, isTransposed ? rank : inputCount))
    unsafe a.withUnsafeBufferPointer { a in
      unsafe b.withUnsafeBufferPointer { b in
        unsafe values.withUnsafeMutableBufferPointer { values in
          guard let a = a.baseAddress, let b = b.baseAddress, let c = values.baseAddress else {
            return
          }
          let (left, right) =
            unsafe isTransposed ? (a + rows.lowerBound, b) : (b + rows.lowerBound * rank, a)
          unsafe Scalar.multiplyAdd(product, left, right, scale: scale, into: c + first)
        }
      }
    }
  }
}

/// W ← W + scale · B · A, on all rows of the stored matrix or on a region of them.
package struct LowRankChange<Scalar: ComputeScalar>: TileChange {
  package let factors: LowRankFactors<Scalar>
  package let scale: Scalar
  package let layout: Layout
  /// The rows of the stored matrix that are changed; nil for all.
  package var region: Range<Int>?

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  package func apply(to tile: inout Tile<Scalar>) {
    let rows = region.map { $0.clamped(to: tile.rows) } ?? tile.rows
    let first = (rows.lowerBound - tile.rows.lowerBound) * tile.columns
    let start = region?.lowerBound ?? 0
    factors.add(
      layout, scale: scale, rows: rows.lowerBound - start..<rows.upperBound - start,
      columns: tile.columns, to: &tile.values, at: first)
  }
}

extension AddLowRank {
  /// The factors, with everything that stands between and before them multiplied in.
  package func factors<Scalar: ComputeScalar>(
    _ loader: inout OperandLoader
  ) throws(FormatError) -> LowRankFactors<Scalar> {
    var factors = LowRankFactors<Scalar>(
      a: try loader.values(a), b: try loader.values(b), rank: a.shape[0], inputCount: inputCount)
    if aBlocks > 1 { factors.a = Self.blockDiagonal(factors.a, a.shape[0], aBlocks) }
    if bBlocks > 1 { factors.b = Self.blockDiagonal(factors.b, outputCount, bBlocks) }
    if let diagonal { factors.scaleRows(by: try loader.values(diagonal)) }
    if let rowScale { factors.scaleOutputs(by: try loader.values(rowScale)) }
    return factors
  }

  /// The blocks of a matrix, which lie below each other, moved onto the diagonal of a wider one.
  private static func blockDiagonal<Scalar: ComputeScalar>(
    _ values: [Scalar], _ rows: Int, _ blocks: Int
  ) -> [Scalar] {
    guard rows > 0 else { return [] }
    let width = values.count / rows
    var result = [Scalar](repeating: 0, count: values.count * blocks)
    for row in 0..<rows {
      let start = row * width * blocks + row / (rows / blocks) * width
      result.replaceSubrange(start..<start + width, with: values[row * width..<(row + 1) * width])
    }
    return result
  }

  /// One expert's factors: A_e = A[e · r …], B_e = B[:, i · E + e].
  private func expert<Scalar: ComputeScalar>(
    _ index: Int, of factors: LowRankFactors<Scalar>, count: Int
  ) -> LowRankFactors<Scalar> {
    let a = factors.a[index * rank * inputCount..<(index + 1) * rank * inputCount]
    let b = (0..<outputCount * rank).map { place in
      factors.b[place / rank * rank * count + place % rank * count + index]
    }
    return LowRankFactors(a: Array(a), b: b, rank: rank, inputCount: inputCount)
  }

  package func load<Scalar: ComputeScalar>(
    _ part: ParameterChange.Part, _ loader: inout OperandLoader, _ shape: Shape
  ) throws(FormatError) -> [any TileChange<Scalar>] {
    try checkFactors(weight.name, rank: a.shape[0], inputCount + outputCount, of: shape.count)
    var factors: LowRankFactors<Scalar> = try factors(&loader)
    let layout = try weight.decidedLayout()
    if isWide { factors = factors.columns(0..<shape.count / max(1, outputCount)) }
    if let magnitude {
      return [
        MagnitudeChange(
          factors: factors, scale: Scalar(scale), layout: layout,
          magnitude: try loader.values(magnitude), weight: Scalar(loader.weight))
      ]
    }
    let scale: Scalar = loader.weighted(scale)
    switch part {
    case .whole:
      guard let experts else {
        return [LowRankChange(factors: factors, scale: scale, layout: layout)]
      }
      let rows = layout == .outIn ? outputCount : inputCount
      return (0..<experts).map { index in
        LowRankChange(
          factors: expert(index, of: factors, count: experts), scale: scale, layout: layout,
          region: index * rows..<(index + 1) * rows)
      }
    case .expert(let index, let rows):
      let own = expert(index, of: factors, count: experts ?? 1)
      let part = layout == .outIn ? own.rows(rows) : own.columns(rows)
      return [LowRankChange(factors: part, scale: scale, layout: layout)]
    case .region(let rows):
      return [LowRankChange(factors: factors, scale: scale, layout: layout, region: rows)]
    case .bias: return []
    }
  }
}

/// Factors that are written out in full must be in proportion to the weight they change: a few bytes of a
/// file can stand for very many of them.
package func checkFactors(_ name: Name, rank: Int, _ size: Int, of count: Int) throws(FormatError) {
  let (elements, overflow) = rank.multipliedReportingOverflow(by: size)
  guard !overflow, elements / 48 <= count + 1 << 17 else {
    throw .unsupported("\(name): factors of \(rank) × \(size), far beyond the weight's own size,")
  }
}

extension Target {
  /// The layout, which a base has decided by now.
  package func decidedLayout() throws(FormatError) -> Layout {
    guard let layout, layout != .unresolved else {
      throw .unsupported("\(name): a layout that nothing has decided")
    }
    return layout
  }
}
