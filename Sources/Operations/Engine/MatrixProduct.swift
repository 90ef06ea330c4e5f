/// The shapes of C ← scale · op(A) · op(B) + C, all row-major.
package struct MatrixProduct: Sendable {
  /// Rows of C and of op(A).
  package let rows: Int
  /// Columns of C and of op(B).
  package let columns: Int
  /// Columns of op(A), rows of op(B).
  package let inner: Int
  /// The storage of A: whether it is transposed, and the length of its stored rows.
  package let a: (isTransposed: Bool, stride: Int)
  /// The storage of B: whether it is transposed, and the length of its stored rows.
  package let b: (isTransposed: Bool, stride: Int)
  /// The length of C's stored rows; nil where they follow each other.
  package var resultStride: Int?

  package init(
    rows: Int, columns: Int, inner: Int, a: (isTransposed: Bool, stride: Int),
    b: (isTransposed: Bool, stride: Int), resultStride: Int? = nil
  ) {
    self.rows = rows
    self.columns = columns
    self.inner = inner
    self.a = a
    self.b = b
    self.resultStride = resultStride
  }
}

extension Float {
  package static func multiplyAdd(
    _ product: MatrixProduct, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, scale: Float,
    into c: UnsafeMutablePointer<Float>
  ) {
    BLAS.use { library in
      unsafe library.sgemm(
        BLAS.byRows, BLAS.operation(product.a.isTransposed),
        BLAS.operation(product.b.isTransposed), Int32(product.rows), Int32(product.columns),
        Int32(product.inner), scale, a, Int32(product.a.stride), b, Int32(product.b.stride), 1, c,
        Int32(product.resultStride ?? product.columns))
    }
  }
}

extension Double {
  package static func multiplyAdd(
    _ product: MatrixProduct, _ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, scale: Double,
    into c: UnsafeMutablePointer<Double>
  ) {
    BLAS.use { library in
      unsafe library.dgemm(
        BLAS.byRows, BLAS.operation(product.a.isTransposed),
        BLAS.operation(product.b.isTransposed), Int32(product.rows), Int32(product.columns),
        Int32(product.inner), scale, a, Int32(product.a.stride), b, Int32(product.b.stride), 1, c,
        Int32(product.resultStride ?? product.columns))
    }
  }
}
