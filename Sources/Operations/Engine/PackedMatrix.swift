internal import CPlatform
internal import Storage

/// The forms of the kernel that adds products to rows as they are stored, by the instructions that they need. Their results
/// are the same bits.
package enum StoredRowsKernel: String, Sendable, CaseIterable {
  case avx2 = "AVX2 with FMA"
  case avx512 = "AVX-512"

  /// True if this processor has the instructions.
  package var isSupported: Bool {
    switch self {
    case .avx2: platform_has_fma() != 0
    case .avx512: platform_has_fma() != 0 && platform_has_avx512() != 0
    }
  }

  /// The form for this processor; nil where there is none.
  package static let best = allCases.last(where: \.isSupported)
}

/// A matrix that rows are multiplied with, laid out for the processor's own kernel: W ← W + scale · L · M.
///
/// The kernel widens rows of W, adds the product and rounds them in registers, in one pass, where a library's product
/// takes three and a tile between them. Every value is one sum over M's rows, in their order, each step fused and
/// rounded to F32: its bits do not depend on the rows and columns that are worked on together, nor on the processor.
struct PackedMatrix: Sendable {
  /// Rows of M.
  let rows: Int
  /// Its columns.
  let columns: Int
  /// M in panels: [columns / 16][rows][16], the last one filled up with zeros.
  private let panels: [Float]

  private static let width = 16
  /// Which form of the kernel works on it.
  private let kernel: StoredRowsKernel

  /// Lays a matrix out; nil where this processor has no such kernel, or the panels would be more than twice the matrix.
  ///
  /// - Parameters:
  ///   - rows: of M.
  ///   - columns: of M.
  ///   - kernel: the form of the kernel.
  ///   - value: gives its elements.
  @inline(__always)
  init?(
    rows: Int, columns: Int, for kernel: StoredRowsKernel? = .best,
    _ value: (_ row: Int, _ column: Int) -> Float
  ) {
    guard let kernel, rows > 0, columns >= Self.width / 2 else { return nil }
    (self.rows, self.columns, self.kernel) = (rows, columns, kernel)
    let count = (columns + Self.width - 1) / Self.width
    var panels = [Float](repeating: 0, count: count * rows * Self.width)
    for panel in 0..<count {
      let first = panel * Self.width
      for row in 0..<rows {
        let place = (panel * rows + row) * Self.width
        for column in first..<min(columns, first + Self.width) {
          panels[place + column - first] = value(row, column)
        }
      }
    }
    self.panels = panels
  }

  /// Types whose rows can be changed as they are stored.
  static func takes(_ type: ElementType) -> Bool { [.bf16, .f16, .f32].contains(type) }

  /// Adds scale · L · M to rows, each value rounded once, to nearest even.
  ///
  /// - Parameters:
  ///   - left: L, a row of `rows` values for each row of W.
  ///   - leftStride: values from one of its rows to the next.
  ///   - scale: what the product is multiplied with.
  ///   - count: rows of W.
  ///   - type: the type of its elements, one that is taken.
  ///   - stored: W, little-endian; of each row `columns` elements are changed.
  ///   - stride: elements from one of its rows to the next; nil where they follow each other.
  func multiplyAdd(
    _ left: UnsafePointer<Float>, leftStride: Int, scale: Float, count: Int, as type: ElementType,
    to stored: UnsafeMutableRawPointer, stride: Int? = nil
  ) {
    unsafe panels.withUnsafeBufferPointer { panels in
      guard let panels = panels.baseAddress else { return }
      var product = unsafe platform_product(
        stored: stored, stride: stride ?? columns, rows: count, columns: columns, rank: rows,
        b: left, b_stride: leftStride, panels: panels, scale: scale)
      let isWide: Int32 = kernel == .avx512 ? 1 : 0
      switch type {
      case .bf16: unsafe platform_add_product_bf16(&product, isWide)
      case .f16: unsafe platform_add_product_f16(&product, isWide)
      case .f32: unsafe platform_add_product_f32(&product, isWide)
      default: preconditionFailure("\(type.rawValue) is not taken")
      }
    }
  }
}

/// A matrix that tiles are multiplied with, laid out once for all of them: by the processor's own kernel, or by the
/// library.
struct RightFactor<Scalar: ComputeScalar>: Sendable {
  private let rows: Int
  private let columns: Int
  private let form: Form

  private enum Form: Sendable {
    case packed(PackedMatrix)
    case plain([Scalar])
  }

  /// Lays a matrix out.
  ///
  /// - Parameters:
  ///   - values: its elements, by rows.
  ///   - rows: how many.
  /// - Throws: `LinearAlgebraError` where it could not be multiplied.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  init(_ values: [Scalar], rows: Int) throws(LinearAlgebraError) {
    let columns = rows == 0 ? 0 : values.count / rows
    (self.rows, self.columns) = (rows, columns)
    let packed = (values as? [Float]).flatMap { values in
      PackedMatrix(rows: rows, columns: columns) { values[$0 * columns + $1] }
    }
    if let packed {
      form = .packed(packed)
    } else {
      try LinearAlgebra.require()
      form = .plain(values)
    }
  }

  /// C ← C + scale · L · M.
  ///
  /// - Parameters:
  ///   - left: L, by rows.
  ///   - leftStride: values from one of its rows to the next.
  ///   - scale: what the product is multiplied with.
  ///   - count: rows of L and of C.
  ///   - result: C; it is none of L.
  ///   - stride: values from one of its rows to the next.
  func multiplyAdd(
    _ left: UnsafePointer<Scalar>, leftStride: Int, scale: Scalar = 1, count: Int,
    into result: UnsafeMutablePointer<Scalar>, stride: Int
  ) {
    switch form {
    case .packed(let matrix):
      unsafe left.withMemoryRebound(to: Float.self, capacity: count * leftStride) { left in
        unsafe matrix.multiplyAdd(
          left, leftStride: leftStride, scale: Float(scale), count: count, as: .f32,
          to: UnsafeMutableRawPointer(result), stride: stride)
      }
    case .plain(let values):
      let product = MatrixProduct(
        rows: count, columns: columns, inner: rows, a: (false, leftStride), b: (false, columns),
        resultStride: stride)
      unsafe values.withUnsafeBufferPointer { values in
        guard let values = values.baseAddress else { return }
        unsafe Scalar.multiplyAdd(product, left, values, scale: scale, into: result)
      }
    }
  }
}
