package import AdapterFormat
package import Adapters
internal import Storage
internal import StrictJSON

/// An operand's values, widened, its window cut out.
package struct OperandValues<Scalar: ComputeScalar>: Sendable {
  /// Row-major.
  package let values: [Scalar]
  /// Whether the tensor holds no NaN and no infinity.
  package let isFinite: Bool

  /// Loads an operand of an adapter.
  ///
  /// - Throws: `FormatError` where the tensor cannot be read, or is damaged.
  package init(_ operand: Operand, of adapter: Adapter) throws(FormatError) {
    guard let info = adapter.tensor(operand.tensor) else {
      throw .unsupported("tensor \(operand.tensor)")
    }
    let contents = try adapter.contents(of: operand.tensor)
    isFinite = !NonFinite.isPresent(in: contents, of: info.type)
    let all = unsafe [Scalar](unsafeUninitializedCapacity: info.shape.count) { buffer, count in
      unsafe contents.withUnsafeBytes { stored in
        unsafe Scalar.widen(
          stored, of: info.type,
          into: UnsafeMutableBufferPointer(rebasing: buffer[..<info.shape.count]))
      }
      count = info.shape.count
    }
    values =
      operand.window.map { Self.cut($0, from: all, dimensions: info.shape.dimensions[...]) } ?? all
  }

  /// The part of a row-major array that a window shows.
  private static func cut(
    _ window: [Range<Int>], from values: [Scalar], dimensions: ArraySlice<Int>
  ) -> [Scalar] {
    guard let range = window.first else { return values }
    let stride = dimensions.dropFirst().reduce(1, *)
    return range.flatMap { index in
      cut(
        Array(window.dropFirst()), from: Array(values[index * stride..<(index + 1) * stride]),
        dimensions: dimensions.dropFirst())
    }
  }
}
