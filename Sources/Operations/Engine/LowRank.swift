internal import StrictJSON
package import Storage

/// An operation that is a product of two factors of low rank, or makes its change of one: stated once, for tiles,
/// effects, cost, undo and layers.
package protocol LowRankKind: Sendable {
  /// The sizes of the product, from the operands' shapes alone.
  var product: LowRankProduct { get }
  /// Loads the factors, with everything that stands between and before them multiplied in: one product, or one for
  /// each expert.
  ///
  /// - Parameters:
  ///   - operands: loads the operands.
  ///   - shape: of the weight, stored or logical; nil where the operands show all of it.
  /// - Throws: `FormatError` where operands cannot be read or are damaged, `AdapterError` where the factors are far
  ///   larger than the weight.
  /// - Returns: the factors.
  func factors<Scalar: ComputeScalar>(
    _ operands: inout OperandLoader, _ shape: Shape?
  ) throws -> [LowRankFactors<Scalar>]
}

/// The sizes of scale · B · A.
package struct LowRankProduct: Sendable {
  /// r.
  package let rank: Int
  /// Rows of B.
  package let outputCount: Int
  /// Columns of A.
  package let inputCount: Int
  /// How many products there are, one for each weight of a stack; nil for a single weight.
  package var experts: Int?
  /// True if the product is the change of the weight; false if the weight's own values make the change of it.
  package var isChange = true

  package init(rank: Int, outputCount: Int, inputCount: Int) {
    self.rank = rank
    self.outputCount = outputCount
    self.inputCount = inputCount
  }

  /// Returns true if these are an A, [r, in] or [r, in, k, …], and a B, [out, r] or, of a kernel, [out, r, 1, …].
  static func areFactors(_ a: TypedOperand, _ b: TypedOperand) -> Bool {
    a.shape.count >= 2 && [2, a.shape.count].contains(b.shape.count)
      && b.shape.dropFirst(2).allSatisfy { $0 == 1 }
  }
}

/// Two factors of scale · B · A, in memory.
package struct LowRankFactors<Scalar: ComputeScalar>: Sendable {
  /// A, [rank, in].
  package var a: [Scalar]
  /// B, [out, rank].
  package var b: [Scalar]
  /// r.
  package let rank: Int
  /// in.
  package var inputCount: Int
  /// The factor of the product.
  package var scale = 1.0

  /// Takes both.
  ///
  /// - Throws: `LinearAlgebraError` where they could not be multiplied.
  package init(
    a: [Scalar], b: [Scalar], rank: Int, inputCount: Int, scale: Double = 1
  ) throws(LinearAlgebraError) {
    try LinearAlgebra.require()
    self.a = a
    self.b = b
    self.rank = rank
    self.inputCount = inputCount
    self.scale = scale
  }

  /// out; 0 where the rank is.
  package var outputCount: Int { rank == 0 ? 0 : b.count / rank }

  /// Multiplies the rows of A.
  mutating func scaleRows(by factors: [Scalar]) {
    for row in 0..<rank {
      for column in 0..<inputCount { a[row * inputCount + column] *= factors[row] }
    }
  }

  /// Multiplies the rows of B.
  mutating func scaleOutputs(by factors: [Scalar]) {
    for (row, factor) in factors.enumerated() {
      for column in 0..<rank { b[row * rank + column] *= factor }
    }
  }

  /// Keeps these inputs only.
  func columns(_ range: Range<Int>) -> LowRankFactors {
    var part = self
    part.a = (0..<rank).flatMap { row in
      a[row * inputCount + range.lowerBound..<row * inputCount + range.upperBound]
    }
    part.inputCount = range.count
    return part
  }

  /// Keeps these outputs only.
  func rows(_ range: Range<Int>) -> LowRankFactors {
    var part = self
    part.b = Array(b[range.lowerBound * rank..<range.upperBound * rank])
    return part
  }

  /// Element by element the product with another: the rows of A, and the columns of B, become all products of pairs
  /// (Khatri and Rao).
  func hadamard(_ other: LowRankFactors) throws(LinearAlgebraError) -> LowRankFactors {
    let (outputs, inner) = (outputCount, rank * other.rank)
    var result = try LowRankFactors(
      a: Array(repeating: 0, count: inner * inputCount),
      b: Array(repeating: 0, count: outputs * inner), rank: inner, inputCount: inputCount,
      scale: scale * other.scale)
    for p in 0..<rank {
      for q in 0..<other.rank {
        let place = p * other.rank + q
        for column in 0..<inputCount {
          result.a[place * inputCount + column] =
            a[p * inputCount + column] * other.a[q * inputCount + column]
        }
        for row in 0..<outputs {
          result.b[row * inner + place] = b[row * rank + p] * other.b[row * other.rank + q]
        }
      }
    }
    return result
  }

  /// factor · B · A, for these rows of the stored matrix, added to `values` from `first` on.
  ///
  /// `out_in`: rows of W are rows of B; the tile is B[rows, :] · A, [rows, in].
  /// `in_out`: rows of Wᵀ are columns of A; the tile is A[:, rows]ᵀ · Bᵀ, [rows, out].
  func add(
    _ layout: Layout, times factor: Double, rows: Range<Int>, columns: Int,
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
          unsafe Scalar.multiplyAdd(product, left, right, scale: Scalar(factor), into: c + first)
        }
      }
    }
  }
}

/// scale · B · A for tiles of the stored matrix, laid out once for all of them.
struct LowRankTiles<Scalar: ComputeScalar>: Sendable {
  let scale: Double
  private let form: Form

  private enum Form: Sendable {
    case packed(PackedFactors)
    case plain(LowRankFactors<Scalar>, Layout)
  }

  init(_ factors: LowRankFactors<Scalar>, _ layout: Layout) {
    form = PackedFactors(factors, layout).map { .packed($0) } ?? .plain(factors, layout)
    scale = factors.scale
  }

  /// The factors, where they can be added to rows as they are stored.
  var packed: PackedFactors? {
    guard case .packed(let factors) = form else { return nil }
    return factors
  }

  /// Adds a multiple of it for some rows to values, from `first` on.
  func add(
    times factor: Double, rows: Range<Int>, columns: Int, to values: inout [Scalar],
    at first: Int = 0
  ) {
    switch form {
    case .plain(let factors, let layout):
      factors.add(
        layout, times: factor * scale, rows: rows, columns: columns, to: &values, at: first)
    case .packed(let factors):
      precondition(first + rows.count * columns <= values.count && columns == factors.columns)
      unsafe values.withUnsafeMutableBytes { values in
        guard let values = values.baseAddress else { return }
        unsafe factors.add(
          Float(factor * scale), rows: rows, as: .f32,
          to: values + first * MemoryLayout<Float>.size)
      }
    }
  }
}

/// W ← W + scale · B · A, on all rows of the stored matrix or on a region of them.
struct LowRankChange<Scalar: ComputeScalar>: TileAddition {
  private let product: LowRankTiles<Scalar>
  /// The rows of the stored matrix that are changed; nil for all.
  private let region: Range<Int>?

  init(factors: LowRankFactors<Scalar>, layout: Layout, region: Range<Int>? = nil) {
    product = LowRankTiles(factors, layout)
    self.region = region
  }

  var storedForm: StoredRowsAddition? {
    product.packed.map {
      StoredRowsAddition(factors: $0, rows: region ?? 0..<$0.rows, scale: product.scale)
    }
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func add(to tile: inout Tile<Scalar>, times factor: Double) {
    let rows = region.map { $0.clamped(to: tile.rows) } ?? tile.rows
    guard !rows.isEmpty else { return }
    let start = region?.lowerBound ?? 0
    product.add(
      times: factor, rows: rows.lowerBound - start..<rows.upperBound - start,
      columns: tile.columns, to: &tile.values,
      at: (rows.lowerBound - tile.rows.lowerBound) * tile.columns)
  }
}

/// A product that is added to rows as they are stored.
package struct StoredRowsAddition: Sendable {
  let factors: PackedFactors
  /// The rows of the stored matrix that it changes.
  let rows: Range<Int>
  /// The factor of the product.
  var scale: Double

  /// Changes those of these rows that are its own.
  ///
  /// - Parameters:
  ///   - stored: the rows, without gaps.
  ///   - type: their element type.
  ///   - range: which rows of the stored matrix they are.
  func apply(
    to stored: UnsafeMutableRawBufferPointer, as type: ElementType, rows range: Range<Int>
  ) {
    let own = rows.clamped(to: range)
    guard !own.isEmpty, let start = stored.baseAddress else { return }
    let width = factors.columns * type.bitWidth / 8
    precondition(range.count * width == stored.count, "rows of another length")
    unsafe factors.add(
      Float(scale), rows: own.lowerBound - rows.lowerBound..<own.upperBound - rows.lowerBound,
      as: type, to: start + (own.lowerBound - range.lowerBound) * width)
  }
}

/// Factors that are written out in full must be in proportion to the weight they change: a few bytes of a
/// file can stand for very many of them.
func checkFactors(_ target: Target, rank: Int, _ size: Int, of count: Int) throws(AdapterError) {
  let (elements, overflow) = rank.multipliedReportingOverflow(by: size)
  guard !overflow, elements / 48 <= count + 1 << 17 else {
    throw AdapterError(
      .arithmetic, on: target.name,
      "factors of \(rank) × \(size) are far beyond the weight's own size")
  }
}
