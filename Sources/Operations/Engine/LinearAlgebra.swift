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

  /// The library that multiplies, and the kernels that it uses: `OpenBLAS for Haswell`. It is loaded for that.
  ///
  /// - Throws: `LinearAlgebraError` as `require` does.
  /// - Returns: the name.
  package static func libraryName() throws(LinearAlgebraError) -> String {
    try BLAS.loaded.get().name
  }

  /// The kernel that adds products to rows as they are stored; nil where this processor has none.
  package static var storedRowsKernel: String? { StoredRowsKernel.best?.rawValue }

  /// The name of the library after it was loaded with a wish for kernels. For tests, in a process that does nothing else.
  ///
  /// - Parameter better: the kernels that it should use rather than those that it has chosen.
  /// - Throws: `LinearAlgebraError` as `require` does.
  /// - Returns: the kernels that it uses; nil where it has no choice.
  package static func kernelsAfterLoading(
    preferring better: (String) -> String?
  ) throws(LinearAlgebraError) -> String? {
    #if canImport(Darwin)
      return nil
    #else
      return BLAS.kernel(of: try BLAS.load(preferring: better))
    #endif
  }
}

/// Why matrices cannot be multiplied here.
package struct LinearAlgebraError: Error, CustomStringConvertible {
  package let description: String
}

/// The library's functions, which work in the thread that calls them: the parallelism is ours, over tiles.
@safe struct BLAS: Sendable {
  /// Itself and its kernels.
  let name: String
  let sgemm: SGEMM
  let dgemm: DGEMM
  let dsyrk: DSYRK
  let dtrsm: DTRSM
  let dgesv: DGESV
  let dpotrf: DPOTRF
  let dgeqrf: DGEQRF
  let dorgqr: DORGQR
  let dtrcon: DTRCON
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
  static let anyDiagonal: Int32 = 131
  static let left: Int32 = 141
  static let right: Int32 = 142

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
  typealias DTRSM =
    @convention(c) (
      Int32, Int32, Int32, Int32, Int32, Int32, Int32, Double, UnsafePointer<Double>?, Int32,
      UnsafeMutablePointer<Double>?, Int32
    ) -> Void
  typealias DGESV =
    @convention(c) (
      UnsafePointer<Int32>?, UnsafePointer<Int32>?, UnsafeMutablePointer<Double>?,
      UnsafePointer<Int32>?, UnsafeMutablePointer<Int32>?, UnsafeMutablePointer<Double>?,
      UnsafePointer<Int32>?, UnsafeMutablePointer<Int32>?
    ) -> Void
  typealias DPOTRF =
    @convention(c) (
      UnsafePointer<CChar>?, UnsafePointer<Int32>?, UnsafeMutablePointer<Double>?,
      UnsafePointer<Int32>?, UnsafeMutablePointer<Int32>?
    ) -> Void
  typealias DGEQRF =
    @convention(c) (
      UnsafePointer<Int32>?, UnsafePointer<Int32>?, UnsafeMutablePointer<Double>?,
      UnsafePointer<Int32>?, UnsafeMutablePointer<Double>?, UnsafeMutablePointer<Double>?,
      UnsafePointer<Int32>?, UnsafeMutablePointer<Int32>?
    ) -> Void
  typealias DORGQR =
    @convention(c) (
      UnsafePointer<Int32>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?,
      UnsafeMutablePointer<Double>?, UnsafePointer<Int32>?, UnsafePointer<Double>?,
      UnsafeMutablePointer<Double>?, UnsafePointer<Int32>?, UnsafeMutablePointer<Int32>?
    ) -> Void
  typealias DTRCON =
    @convention(c) (
      UnsafePointer<CChar>?, UnsafePointer<CChar>?, UnsafePointer<CChar>?, UnsafePointer<Int32>?,
      UnsafePointer<Double>?, UnsafePointer<Int32>?, UnsafeMutablePointer<Double>?,
      UnsafeMutablePointer<Double>?, UnsafeMutablePointer<Int32>?, UnsafeMutablePointer<Int32>?
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
