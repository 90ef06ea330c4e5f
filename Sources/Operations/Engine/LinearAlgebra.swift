/// Products and factorisations of matrices: by Accelerate on Apple's systems, by OpenBLAS elsewhere, which is loaded when
/// it is first needed.
package enum LinearAlgebra {
  /// Makes sure that the library is there. Whatever holds matrices that will be multiplied has asked for it, so that one
  /// that is not there is an error of the work that needs it, and of no other.
  ///
  /// - Throws: `LinearAlgebraError` where it cannot be loaded, or the memory that it works in cannot be had.
  package static func require() throws(LinearAlgebraError) {
    _ = try BLAS.loaded.get()
  }
}

/// Why matrices cannot be multiplied here.
package struct LinearAlgebraError: Error, CustomStringConvertible {
  package let description: String
}

/// The library's functions, which work in the thread that calls them: the parallelism is ours, over tiles.
@safe struct BLAS: Sendable {
  let sgemm: SGEMM
  let dgemm: DGEMM
  let dsyrk: DSYRK
  let dgesv: DGESV
  let dgeqrf: DGEQRF
  let dgesdd: DGESDD
  /// Lets so many threads in at once as there is memory for; nil where all may.
  let room: Room?

  /// Calls the library.
  ///
  /// - Parameter body: calls its functions.
  /// - Returns: what `body` does.
  static func use<Value>(_ body: (BLAS) -> Value) -> Value {
    switch loaded {
    case .success(let library):
      library.room?.wait()
      defer { library.room?.signal() }
      return body(library)
    case .failure(let error):
      // Who has matrices has asked for it.
      fatalError(error.description)
    }
  }
}

// MARK: - CBLAS and LAPACK

extension BLAS {
  /// How the elements of a matrix follow each other.
  static let byRows: Int32 = 101
  static let byColumns: Int32 = 102
  static let plain: Int32 = 111
  static let transposed: Int32 = 112
  static let upper: Int32 = 121

  /// `plain` or `transposed`.
  static func operation(_ isTransposed: Bool) -> Int32 { isTransposed ? transposed : plain }

  typealias SGEMM =
    @convention(c) (
      Int32, Int32, Int32, Int32, Int32, Int32, Float, UnsafePointer<Float>?, Int32,
      UnsafePointer<Float>?, Int32, Float, UnsafeMutablePointer<Float>?, Int32
    ) -> Void
  typealias DGEMM =
    @convention(c) (
      Int32, Int32, Int32, Int32, Int32, Int32, Double, UnsafePointer<Double>?, Int32,
      UnsafePointer<Double>?, Int32, Double, UnsafeMutablePointer<Double>?, Int32
    ) -> Void
  typealias DSYRK =
    @convention(c) (
      Int32, Int32, Int32, Int32, Int32, Double, UnsafePointer<Double>?, Int32, Double,
      UnsafeMutablePointer<Double>?, Int32
    ) -> Void
  typealias DGESV =
    @convention(c) (
      UnsafePointer<Int32>?, UnsafePointer<Int32>?, UnsafeMutablePointer<Double>?,
      UnsafePointer<Int32>?, UnsafeMutablePointer<Int32>?, UnsafeMutablePointer<Double>?,
      UnsafePointer<Int32>?, UnsafeMutablePointer<Int32>?
    ) -> Void
  typealias DGEQRF =
    @convention(c) (
      UnsafePointer<Int32>?, UnsafePointer<Int32>?, UnsafeMutablePointer<Double>?,
      UnsafePointer<Int32>?, UnsafeMutablePointer<Double>?, UnsafeMutablePointer<Double>?,
      UnsafePointer<Int32>?, UnsafeMutablePointer<Int32>?
    ) -> Void
  typealias DGESDD =
    @convention(c) (
      UnsafePointer<CChar>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?,
      UnsafeMutablePointer<Double>?, UnsafePointer<Int32>?, UnsafeMutablePointer<Double>?,
      UnsafeMutablePointer<Double>?, UnsafePointer<Int32>?, UnsafeMutablePointer<Double>?,
      UnsafePointer<Int32>?, UnsafeMutablePointer<Double>?, UnsafePointer<Int32>?,
      UnsafeMutablePointer<Int32>?, UnsafeMutablePointer<Int32>?
    ) -> Void
}
