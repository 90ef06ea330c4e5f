extension DenseMatrix {
  /// R of A = Rᵀ · R, upper, of which the upper triangle of A is read; nil where A is not positive definite.
  package var cholesky: DenseMatrix? {
    guard columns > 0, rows == columns, isFinite else { return nil }
    var (triangle, n, info) = (values, Int32(columns), 0 as Int32)
    var part = CChar(bitPattern: UInt8(ascii: "U"))
    BLAS.use { library in unsafe library.dpotrf(&part, &n, &triangle, &n, &info) }
    guard info == 0 else { return nil }
    for column in 0..<columns {
      for row in column + 1..<max(rows, column + 1) { triangle[column * rows + row] = 0 }
    }
    return DenseMatrix(rows: rows, columns: columns, values: triangle)
  }

  /// L⁻ᵀ · self · R⁻¹, of upper triangles.
  package func between(_ left: DenseMatrix, _ right: DenseMatrix) -> DenseMatrix {
    precondition(left.columns == rows && right.columns == columns)
    var (result, m, n) = (values, Int32(rows), Int32(columns))
    BLAS.use { library in
      unsafe library.dtrsm(
        BLAS.byColumns, BLAS.left, BLAS.upper, BLAS.transposed, BLAS.anyDiagonal, m, n, 1,
        left.values, m, &result, m)
      unsafe library.dtrsm(
        BLAS.byColumns, BLAS.right, BLAS.upper, BLAS.plain, BLAS.anyDiagonal, m, n, 1,
        right.values, n, &result, m)
    }
    return DenseMatrix(rows: rows, columns: columns, values: result)
  }

  /// Some of the rows of some of the columns.
  package func block(_ rows: Range<Int>, _ columns: Range<Int>) -> DenseMatrix {
    DenseMatrix(
      rows: rows.count, columns: columns.count,
      values: columns.flatMap { column in
        values[column * self.rows + rows.lowerBound..<column * self.rows + rows.upperBound]
      })
  }
}
