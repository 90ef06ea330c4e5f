// Matrices as bytes: their rows in another order, and their transposes.

/// Rows of a matrix in another order: row i of the result is row `order[i]`.
func rows(_ bytes: [UInt8], in order: [Int]) -> [UInt8] {
  guard !order.isEmpty else { return bytes }
  let size = bytes.count / order.count
  var result: [UInt8] = []
  result.reserveCapacity(bytes.count)
  for row in order { result += bytes[row * size..<(row + 1) * size] }
  return result
}

/// The transpose of a matrix of elements of so many bytes.
func transposed(_ bytes: [UInt8], rows: Int, columns: Int, width: Int) -> [UInt8] {
  switch width {
  case 2: transposed(bytes, rows: rows, columns: columns, as: UInt16.self)
  case 4: transposed(bytes, rows: rows, columns: columns, as: UInt32.self)
  case 8: transposed(bytes, rows: rows, columns: columns, as: UInt64.self)
  default: transposed(bytes, rows: rows, columns: columns, as: UInt8.self)
  }
}

/// Tile by tile, so that lines of both matrices stay in the cache.
private func transposed<Element: FixedWidthInteger>(
  _ bytes: [UInt8], rows: Int, columns: Int, as type: Element.Type
) -> [UInt8] {
  let (side, size) = (64, MemoryLayout<Element>.size)
  precondition(bytes.count == rows * columns * size, "\(bytes.count) bytes of another shape")
  return unsafe [UInt8](unsafeUninitializedCapacity: bytes.count) { buffer, count in
    unsafe bytes.withUnsafeBytes { source in
      let target = UnsafeMutableRawBufferPointer(buffer)
      for top in stride(from: 0, to: rows, by: side) {
        for left in stride(from: 0, to: columns, by: side) {
          for row in top..<min(rows, top + side) {
            for column in left..<min(columns, left + side) {
              let element = unsafe source.loadUnaligned(
                fromByteOffset: (row * columns + column) * size, as: Element.self)
              unsafe target.storeBytes(
                of: element, toByteOffset: (column * rows + row) * size, as: Element.self)
            }
          }
        }
      }
    }
    count = bytes.count
  }
}

extension [Int] {
  /// The order that undoes this one.
  var inverted: [Int] {
    var result = self
    for (place, row) in enumerated() { result[row] = place }
    return result
  }
}
