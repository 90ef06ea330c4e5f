internal import AdapterFormat
package import Storage
internal import StrictJSON

/// Gives a parameter's elements the bits back that they had before a change (Spec/adp-v1.md, section 8.22).
///
/// All arithmetic is in a fixed order and rounded after every step, so that it gives the same bits on every machine.
package struct BitRestoration: Sendable {
  private let difference: OperandRun
  private let factors: BitFactors?
  /// The operands that hold a NaN or an infinity.
  let nonfiniteOperands: [Name]

  /// Loads the factors.
  ///
  /// - Throws: `FormatError` where operands cannot be read, or are damaged.
  init(_ restore: Restore, of adapter: Adapter) throws(FormatError) {
    difference = try OperandRun(restore.difference, of: adapter)
    guard let left = restore.left, let right = restore.right else {
      (factors, nonfiniteOperands) = (nil, [])
      return
    }
    var loader = OperandLoader(adapter)
    factors = BitFactors(
      left: try loader.values(left), right: try loader.values(right), rank: left.shape[1])
    nonfiniteOperands = loader.nonfinite.map(\.tensor)
  }

  /// Restores rows of a matrix.
  ///
  /// - Throws: `FormatError` where the differences cannot be read.
  func apply(
    _ stored: UnsafeRawBufferPointer, to result: UnsafeMutableRawBufferPointer, _ type: ElementType,
    _ grid: TileGrid, _ rows: Range<Int>
  ) throws(FormatError) {
    let elements = rows.lowerBound * grid.columns..<rows.upperBound * grid.columns
    if let factors {
      unsafe factors.subtract(from: stored, into: result, type, elements, columns: grid.columns)
    } else if let source = stored.baseAddress, unsafe source != UnsafeRawPointer(result.baseAddress)
    {
      unsafe result.copyMemory(from: stored)
    }
    let bytes = try difference.bytes(ofElements: elements)
    unsafe bytes.withUnsafeBytes { bytes in
      switch type.bitWidth {
      case 8: unsafe add(bytes, to: result, UInt8.self)
      case 16: unsafe add(bytes, to: result, UInt16.self)
      case 32: unsafe add(bytes, to: result, UInt32.self)
      default: unsafe add(bytes, to: result, UInt64.self)
      }
    }
  }

  /// u ← u + d: an even z stands for d = z / 2, an odd one for −(z + 1) / 2.
  private func add<Unit: FixedWidthInteger & UnsignedInteger>(
    _ differences: UnsafeRawBufferPointer, to units: UnsafeMutableRawBufferPointer, _: Unit.Type
  ) {
    let width = MemoryLayout<Unit>.size
    for place in stride(from: 0, to: units.count, by: width) {
      let unit = unsafe Unit(
        littleEndian: units.loadUnaligned(fromByteOffset: place, as: Unit.self))
      let z = unsafe Unit(
        littleEndian: differences.loadUnaligned(fromByteOffset: place, as: Unit.self))
      let sum = unit &+ (z &>> 1 ^ (0 &- (z & 1)))
      unsafe units.storeBytes(of: sum.littleEndian, toByteOffset: place, as: Unit.self)
    }
  }
}

/// What nearly takes a change back: the product of two factors, taken away and rounded.
package struct BitFactors: Sendable {
  /// [rows, r].
  package let left: [Float]
  /// [r, columns].
  package let right: [Float]
  /// r.
  package let rank: Int

  package init(left: [Float], right: [Float], rank: Int) {
    (self.left, self.right, self.rank) = (left, right, rank)
  }

  /// Takes the product away from elements, in row-major order, and rounds.
  package func subtract(
    from stored: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
    _ type: ElementType, _ elements: Range<Int>, columns: Int
  ) {
    if type.bitWidth == 16 {
      unsafe subtract(from: stored, into: result, type, elements, columns, Float.self)
    } else {
      unsafe subtract(from: stored, into: result, type, elements, columns, Double.self)
    }
  }

  private func subtract<Scalar: ComputeScalar>(
    from stored: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
    _ type: ElementType, _ elements: Range<Int>, _ columns: Int, _: Scalar.Type
  ) {
    var values = [Scalar](repeating: 0, count: elements.count)
    unsafe values.withUnsafeMutableBufferPointer {
      unsafe Scalar.widen(stored, of: type, into: $0)
    }
    var sums = [Scalar](repeating: 0, count: columns)
    var place = elements.lowerBound
    while place < elements.upperBound {
      let (row, column) = (place / columns, place % columns)
      let count = min(columns - column, elements.upperBound - place)
      sum(row, column..<column + count, into: &sums)
      let first = place - elements.lowerBound
      subtract(sums, count, from: &values, at: first)
      place += count
    }
    unsafe values.withUnsafeBufferPointer { unsafe Scalar.round($0, to: type, into: result) }
  }

  /// sums[j] ← Σ left[row, k] · right[k, j], k = 0 … r − 1 in turn.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private func sum<Scalar: ComputeScalar>(
    _ row: Int, _ columns: Range<Int>, into sums: inout [Scalar]
  ) {
    let width = rank > 0 ? right.count / rank : 0
    unsafe sums.withUnsafeMutableBufferPointer { sums in
      unsafe right.withUnsafeBufferPointer { right in
        for index in 0..<columns.count { unsafe sums[index] = 0 }
        for k in 0..<rank {
          let factor = Scalar(left[row * rank + k])
          let start = k * width + columns.lowerBound
          for index in 0..<columns.count {
            unsafe sums[index] += factor * Scalar(right[start &+ index])
          }
        }
      }
    }
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private func subtract<Scalar: ComputeScalar>(
    _ sums: [Scalar], _ count: Int, from values: inout [Scalar], at first: Int
  ) {
    for index in 0..<count { values[first + index] -= sums[index] }
  }
}
