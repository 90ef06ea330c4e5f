package import AdapterFormat
internal import Storage
internal import StrictJSON

/// An operand's values, widened, its window cut out.
package struct OperandValues<Scalar: ComputeScalar>: Sendable {
  /// Row-major.
  package let values: [Scalar]
  /// True if it holds neither NaN nor infinity.
  package let isFinite: Bool

  /// Loads an operand of an adapter.
  ///
  /// - Throws: `FormatError` where the tensor cannot be read, or is damaged.
  package init(_ operand: Operand, of adapter: Adapter) throws(FormatError) {
    guard let info = adapter.tensor(operand.tensor) else {
      throw .unsupported("tensor \(operand.tensor)")
    }
    let contents = try adapter.contents(of: operand.tensor)
    let all = unsafe [Scalar](unsafeUninitializedCapacity: info.shape.count) { buffer, count in
      unsafe contents.withUnsafeBytes { stored in
        unsafe Scalar.widen(
          stored, of: info.type,
          into: UnsafeMutableBufferPointer(rebasing: buffer[..<info.shape.count]))
      }
      count = info.shape.count
    }
    guard let window = operand.window else {
      isFinite = !NonFinite.isPresent(in: contents, of: info.type)
      values = all
      return
    }
    values = cut(window, from: all, dimensions: info.shape.dimensions)
    isFinite = values.allSatisfy(\.isFinite)
  }
}

/// An operand's bytes as they stand in the adapter, its window cut out.
package enum OperandBytes {
  /// Loads them.
  ///
  /// - Throws: `FormatError` where the tensor cannot be read, or is damaged.
  package static func contents(of operand: Operand, _ adapter: Adapter) throws(FormatError)
    -> [UInt8]
  {
    guard let info = adapter.tensor(operand.tensor) else {
      throw .unsupported("tensor \(operand.tensor)")
    }
    let contents = try adapter.contents(of: operand.tensor)
    guard let window = operand.window else { return contents }
    guard let last = window.last, let size = info.shape.dimensions.last else { return contents }
    // The last dimension in bytes: of elements that are parts of bytes it fills them ([OPS-1]).
    let bits = info.type.bitWidth
    let bytes = last.lowerBound * bits / 8..<last.upperBound * bits / 8
    return cut(
      window.dropLast() + [bytes], from: contents,
      dimensions: info.shape.dimensions.dropLast() + [size * bits / 8])
  }
}

/// The part of a row-major array that a window shows.
private func cut<Value>(
  _ window: [Range<Int>], from values: [Value], dimensions: [Int]
) -> [Value] {
  var part: [Value] = []
  part.reserveCapacity(window.reduce(1) { $0 * $1.count })
  appendCut(window[...], values[...], dimensions[...], to: &part)
  return part
}

private func appendCut<Value>(
  _ window: ArraySlice<Range<Int>>, _ values: ArraySlice<Value>, _ dimensions: ArraySlice<Int>,
  to part: inout [Value]
) {
  guard let range = window.first else { return part.append(contentsOf: values) }
  let stride = dimensions.dropFirst().reduce(1, *)
  let start = values.startIndex
  guard window.count > 1 else {
    return part.append(
      contentsOf: values[start + range.lowerBound * stride..<start + range.upperBound * stride])
  }
  for index in range {
    appendCut(
      window.dropFirst(), values[start + index * stride..<start + (index + 1) * stride],
      dimensions.dropFirst(), to: &part)
  }
}
