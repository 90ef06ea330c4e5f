/// A matrix in F64, by columns as LAPACK wants it.
package struct DenseMatrix: Sendable {
  package let rows: Int
  package let columns: Int
  package private(set) var values: [Double]

  /// Zeros.
  package init(rows: Int, columns: Int) {
    self.init(rows: rows, columns: columns, values: Array(repeating: 0, count: rows * columns))
  }

  /// Values by columns.
  package init(rows: Int, columns: Int, values: [Double]) {
    self.rows = rows
    self.columns = columns
    self.values = values
  }

  /// Values by rows.
  package init(rows: Int, columns: Int, byRows values: [Double]) {
    self.init(rows: rows, columns: columns)
    // Blocks that stay in the cache, or a transposition would wait for memory at every element.
    let block = 32
    for firstRow in stride(from: 0, to: rows, by: block) {
      for firstColumn in stride(from: 0, to: columns, by: block) {
        for row in firstRow..<min(firstRow + block, rows) {
          for column in firstColumn..<min(firstColumn + block, columns) {
            self.values[column * rows + row] = values[row * columns + column]
          }
        }
      }
    }
  }

  /// Ones on the diagonal.
  package static func identity(_ size: Int) -> DenseMatrix {
    var result = DenseMatrix(rows: size, columns: size)
    for index in 0..<size { result[index, index] = 1 }
    return result
  }

  /// The transpose.
  package var transposed: DenseMatrix { DenseMatrix(rows: columns, columns: rows, byRows: values) }

  package subscript(_ row: Int, _ column: Int) -> Double {
    get { values[column * rows + row] }
    set { values[column * rows + row] = newValue }
  }

  /// ‖·‖_F.
  package var norm: Double { values.norm }

  package var isFinite: Bool { values.allSatisfy(\.isFinite) }

  /// Some of the columns.
  package func columns(_ range: Range<Int>) -> DenseMatrix {
    DenseMatrix(
      rows: rows, columns: range.count,
      values: Array(values[range.lowerBound * rows..<range.upperBound * rows]))
  }

  /// The columns of both, one after the other.
  package func beside(_ other: DenseMatrix) -> DenseMatrix {
    DenseMatrix(rows: rows, columns: columns + other.columns, values: values + other.values)
  }

  package static func - (left: DenseMatrix, right: DenseMatrix) -> DenseMatrix {
    var result = left
    for index in result.values.indices { result.values[index] -= right.values[index] }
    return result
  }

  package mutating func scale(by factor: Double) {
    for index in values.indices { values[index] *= factor }
  }
}

extension [Double] {
  /// The root of the sum of squares.
  package var norm: Double { unsafe withUnsafeBufferPointer { unsafe euclideanNorm($0) } }
}

/// The root of the sum of squares, none of which overflows or vanishes.
package func euclideanNorm(_ values: UnsafeBufferPointer<Double>) -> Double {
  let sum = unsafe sumOfSquares(values, 1)
  if sum > 0x1p-900, sum < 0x1p900 { return sum.squareRoot() }
  var largest = 0.0
  for place in values.indices {
    let value = unsafe values[place]
    guard value.isFinite else { return value.isNaN ? .nan : .infinity }
    largest = max(largest, value.magnitude)
  }
  guard largest > 0 else { return 0 }
  // A power of two, so that nothing is rounded.
  let scale = largest.binade
  return unsafe sumOfSquares(values, 1 / scale).squareRoot() * scale
}

/// Several sums at once, none of which waits for the one before.
private func sumOfSquares(_ values: UnsafeBufferPointer<Double>, _ scale: Double) -> Double {
  var sums = SIMD8<Double>()
  let whole = values.count / 8 * 8
  for start in stride(from: 0, to: whole, by: 8) {
    for lane in 0..<8 {
      let value = unsafe values[start + lane] * scale
      sums[lane] += value * value
    }
  }
  var sum = sums.sum()
  for place in whole..<values.count {
    let value = unsafe values[place] * scale
    sum += value * value
  }
  return sum
}

// MARK: - Products

extension DenseMatrix {
  /// op(self) · op(other).
  package func times(
    _ other: DenseMatrix, transposed: Bool = false, otherTransposed: Bool = false
  ) -> DenseMatrix {
    let (m, inner) = transposed ? (columns, rows) : (rows, columns)
    let n = otherTransposed ? other.rows : other.columns
    var result = DenseMatrix(rows: m, columns: n)
    guard m > 0, n > 0, inner > 0 else { return result }
    unsafe values.withUnsafeBufferPointer { a in
      unsafe other.values.withUnsafeBufferPointer { b in
        unsafe result.values.withUnsafeMutableBufferPointer { c in
          BLAS.use { library in
            unsafe library.dgemm(
              BLAS.byColumns, BLAS.operation(transposed), BLAS.operation(otherTransposed),
              Int32(m), Int32(n), Int32(inner), 1, a.baseAddress, Int32(rows), b.baseAddress,
              Int32(other.rows), 0, c.baseAddress, Int32(m))
          }
        }
      }
    }
    return result
  }
}

extension DenseMatrix {
  /// Aᵀ · A, its upper triangle; what is below the diagonal is zero.
  package var gram: DenseMatrix {
    var result = DenseMatrix(rows: columns, columns: columns)
    guard rows > 0, columns > 0 else { return result }
    unsafe values.withUnsafeBufferPointer { a in
      unsafe result.values.withUnsafeMutableBufferPointer { c in
        BLAS.use { library in
          unsafe library.dsyrk(
            BLAS.byColumns, BLAS.upper, BLAS.transposed, Int32(columns), Int32(rows), 1,
            a.baseAddress, Int32(rows), 0, c.baseAddress, Int32(columns))
        }
      }
    }
    return result
  }
}

// MARK: - Factorisations

extension DenseMatrix {
  /// R of A = Q · R, [min(rows, columns), columns].
  package var triangle: DenseMatrix { orthogonalised(basis: false).r }

  /// A = Q · R, with min(rows, columns) orthonormal columns of Q and rows of R.
  package var factored: (q: DenseMatrix, r: DenseMatrix) { orthogonalised(basis: true) }

  private func orthogonalised(basis: Bool) -> (q: DenseMatrix, r: DenseMatrix) {
    let count = min(rows, columns)
    var r = DenseMatrix(rows: count, columns: columns)
    guard count > 0 else { return (DenseMatrix(rows: rows, columns: 0), r) }
    var (m, n, k, info) = (Int32(rows), Int32(columns), Int32(count), 0 as Int32)
    var factored = values
    var tau = [Double](repeating: 0, count: count)
    unsafe withWorkspace { library, work, length in
      unsafe library.dgeqrf(&m, &n, &factored, &m, &tau, work, &length, &info)
    }
    for column in 0..<columns {
      for row in 0...min(column, count - 1) { r[row, column] = factored[column * rows + row] }
    }
    guard basis else { return (DenseMatrix(rows: rows, columns: 0), r) }
    factored.removeLast((columns - count) * rows)
    unsafe withWorkspace { library, work, length in
      unsafe library.dorgqr(&m, &k, &k, &factored, &m, &tau, work, &length, &info)
    }
    return (DenseMatrix(rows: rows, columns: count, values: factored), r)
  }

  /// An estimate of 1 / (‖A‖₁ ‖A⁻¹‖₁) of the upper triangle of a square matrix: 0 where it has no inverse.
  package var triangleReciprocalCondition: Double {
    guard columns > 0, isFinite else { return 0 }
    var (n, info, result) = (Int32(columns), 0 as Int32, 0.0)
    var work = [Double](repeating: 0, count: 3 * columns)
    var integers = [Int32](repeating: 0, count: columns)
    var (norm, part, diagonal) = (
      CChar(bitPattern: UInt8(ascii: "1")), CChar(bitPattern: UInt8(ascii: "U")),
      CChar(bitPattern: UInt8(ascii: "N"))
    )
    BLAS.use { library in
      unsafe library.dtrcon(
        &norm, &part, &diagonal, &n, values, &n, &result, &work, &integers, &info)
    }
    return info == 0 ? result : 0
  }

  /// The singular values, from the largest down; nil where there are none to be found.
  package var singularValues: [Double]? { decomposed(vectors: false)?.values }

  /// A = U · diag(σ) · Vᵀ, with min(rows, columns) columns of U and rows of Vᵀ.
  package var decomposition: (u: DenseMatrix, values: [Double], vt: DenseMatrix)? {
    decomposed(vectors: true)
  }

  private func decomposed(
    vectors: Bool
  ) -> (u: DenseMatrix, values: [Double], vt: DenseMatrix)? {
    let count = min(rows, columns)
    var u = DenseMatrix(rows: rows, columns: vectors ? count : 0)
    var vt = DenseMatrix(rows: vectors ? count : 0, columns: columns)
    var sigma = [Double](repeating: 0, count: count)
    guard count > 0 else { return (u, sigma, vt) }
    guard isFinite else { return nil }
    var (m, n, k, info) = (Int32(rows), Int32(columns), Int32(count), 0 as Int32)
    var (copy, integers) = (values, [Int32](repeating: 0, count: 8 * count))
    var job = CChar(bitPattern: vectors ? UInt8(ascii: "S") : UInt8(ascii: "N"))
    unsafe withWorkspace { library, work, length in
      unsafe library.dgesdd(
        &job, &m, &n, &copy, &m, &sigma, &u.values, &m, &vt.values, &k, work, &length, &integers,
        &info)
    }
    return info == 0 ? (u, sigma, vt) : nil
  }
}

/// Runs a function of LAPACK twice: to ask how much memory works best, and with that memory.
private func withWorkspace(_ body: (BLAS, UnsafeMutablePointer<Double>, inout Int32) -> Void) {
  BLAS.use { library in
    var (best, query) = (0.0, -1 as Int32)
    unsafe body(library, &best, &query)
    var length = Int32(max(1, best))
    var work = [Double](repeating: 0, count: Int(length))
    unsafe work.withUnsafeMutableBufferPointer { work in
      if let start = work.baseAddress { unsafe body(library, start, &length) }
    }
  }
}
