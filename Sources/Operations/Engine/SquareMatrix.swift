/// A small square matrix in F64: the generator of a rotation.
struct SquareMatrix {
  let size: Int
  /// Row-major.
  private(set) var values: [Double]

  /// Zeros.
  ///
  /// - Throws: `LinearAlgebraError` where it could not be multiplied.
  init(size: Int) throws(LinearAlgebraError) {
    try LinearAlgebra.require()
    self.init(zeros: size)
  }

  private init(zeros size: Int) {
    self.size = size
    values = Array(repeating: 0, count: size * size)
  }

  static func identity(_ size: Int) -> SquareMatrix {
    var result = SquareMatrix(zeros: size)
    for index in 0..<size { result[index, index] = 1 }
    return result
  }

  subscript(_ row: Int, _ column: Int) -> Double {
    get { values[row * size + column] }
    set { values[row * size + column] = newValue }
  }

  /// ‖Q‖_F.
  var norm: Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

  func scaled(by factor: Double) -> SquareMatrix {
    var result = self
    for index in values.indices { result.values[index] *= factor }
    return result
  }

  static func + (left: SquareMatrix, right: SquareMatrix) -> SquareMatrix {
    var result = left
    for index in result.values.indices { result.values[index] += right.values[index] }
    return result
  }

  static func * (left: SquareMatrix, right: SquareMatrix) -> SquareMatrix {
    var result = SquareMatrix(zeros: left.size)
    let size = left.size
    let product = MatrixProduct(
      rows: size, columns: size, inner: size, a: (false, size), b: (false, size))
    unsafe left.values.withUnsafeBufferPointer { a in
      unsafe right.values.withUnsafeBufferPointer { b in
        unsafe result.values.withUnsafeMutableBufferPointer { c in
          guard let a = a.baseAddress, let b = b.baseAddress, let c = c.baseAddress else { return }
          unsafe Double.multiplyAdd(product, a, b, scale: 1, into: c)
        }
      }
    }
    return result
  }

  /// (I − Q) (I + Q)⁻¹, for a skew Q a rotation; nil where there is none.
  var cayley: SquareMatrix? {
    // X (I + Q) = I − Q; read by columns, as LAPACK does, both are their transposes.
    var left = SquareMatrix.identity(size) + self
    var right = SquareMatrix.identity(size) + scaled(by: -1)
    guard left.solve(&right), right.values.allSatisfy(\.isFinite) else { return nil }
    return right
  }

  /// X = A⁻¹ · B, both read by columns; whether there is one. The matrix is used up.
  private mutating func solve(_ right: inout SquareMatrix) -> Bool {
    let order = [Int32(size)]
    var info: Int32 = 0
    var pivots = [Int32](repeating: 0, count: size)
    unsafe values.withUnsafeMutableBufferPointer { a in
      unsafe right.values.withUnsafeMutableBufferPointer { b in
        unsafe pivots.withUnsafeMutableBufferPointer { pivots in
          BLAS.use { library in
            unsafe library.dgesv(
              order, order, a.baseAddress, order, pivots.baseAddress, b.baseAddress, order, &info)
          }
        }
      }
    }
    return info == 0
  }

  /// A polynomial that stands for (I + Q) (I − Q)⁻¹, which turns the other way round (Spec/operations/RotateInput.md).
  func cayleySeries(terms: Int) -> SquareMatrix {
    var sum = SquareMatrix.identity(size)
    guard terms > 1 else { return sum }
    guard terms > 2 else { return sum + scaled(by: 2) }
    var power = self
    for _ in 1..<max(terms - 1, 3) {
      sum = sum + power.scaled(by: 2)
      power = power * self
    }
    return sum + power
  }
}
