package import AdapterFormat
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
      operand.window.map { cut($0, from: all[...], dimensions: info.shape.dimensions[...]) } ?? all
  }
}

/// An operand's bytes as they stand in the adapter, its window cut out.
package enum OperandBytes {
  /// Loads them.
  ///
  /// - Throws: `FormatError` where the tensor cannot be read, is damaged, or has elements that are no
  ///   whole bytes and is wanted in part.
  package static func contents(of operand: Operand, _ adapter: Adapter) throws(FormatError)
    -> [UInt8]
  {
    guard let info = adapter.tensor(operand.tensor) else {
      throw .unsupported("tensor \(operand.tensor)")
    }
    let contents = try adapter.contents(of: operand.tensor)
    guard let window = operand.window else { return contents }
    guard info.type.bitWidth.isMultiple(of: 8) else {
      throw .unsupported("a window of \(operand.tensor), whose elements are no whole bytes")
    }
    let width = info.type.bitWidth / 8
    return cut(
      window + [0..<width], from: contents[...], dimensions: info.shape.dimensions[...] + [width])
  }
}

/// The part of a row-major array that a window shows.
private func cut<Value>(
  _ window: [Range<Int>], from values: ArraySlice<Value>, dimensions: ArraySlice<Int>
) -> [Value] {
  guard let range = window.first else { return Array(values) }
  let stride = dimensions.dropFirst().reduce(1, *)
  return range.flatMap { index in
    let start = values.startIndex + index * stride
    return cut(
      Array(window.dropFirst()), from: values[start..<start + stride],
      dimensions: dimensions.dropFirst())
  }
}
