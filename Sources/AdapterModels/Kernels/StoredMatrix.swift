internal import Operations
internal import Storage

/// A weight [out, in] in memory, its elements as the checkpoint stores them.
@safe final class StoredMatrix: Sendable {
  /// Outputs.
  let rows: Int
  /// Inputs.
  let columns: Int
  /// BF16, F16 or F32.
  let type: ElementType
  private nonisolated(unsafe) let memory: UnsafeMutableRawBufferPointer
  private let block: LargeMemory

  /// Takes memory of an arena and has it filled, before anybody else sees it.
  ///
  /// - Throws: what `fill` throws.
  init(
    rows: Int, columns: Int, type: ElementType, in arena: WeightArena,
    _ fill: (UnsafeMutableRawBufferPointer) throws -> Void
  ) throws {
    self.rows = rows
    self.columns = columns
    self.type = type
    let place = unsafe arena.allocate(rows * columns * type.bitWidth / 8)
    block = unsafe place.block
    unsafe memory = place.memory
    try unsafe fill(memory)
  }

  /// Bytes.
  var byteCount: Int { unsafe memory.count }

  /// Returns true if the rows of a range are these bytes.
  func holds(_ bytes: [UInt8], in range: Range<Int>) -> Bool {
    let size = columns * type.bitWidth / 8
    guard range.lowerBound >= 0, range.upperBound <= rows else { return false }
    let own = unsafe UnsafeRawBufferPointer(
      rebasing: memory[range.lowerBound * size..<range.upperBound * size])
    return unsafe bytes.withUnsafeBytes { unsafe own.isEqual(to: $0) }
  }

  /// Widens rows.
  func widen(_ range: Range<Int>, into result: UnsafeMutableBufferPointer<Float>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows)
    let size = columns * type.bitWidth / 8
    let stored = unsafe UnsafeRawBufferPointer(
      rebasing: memory[range.lowerBound * size..<range.upperBound * size])
    unsafe Float.widen(
      stored, of: type,
      into: UnsafeMutableBufferPointer(rebasing: result[..<(range.count * columns)]))
  }

  /// y[o] = W[o, :] · x for some outputs; x unzipped if the type has 16 bits.
  func dot(
    _ range: Range<Int>, _ x: UnsafeMutableBufferPointer<Float>,
    into y: UnsafeMutableBufferPointer<Float>
  ) {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows)
    precondition(x.count == columns && y.count == rows)
    guard let start = unsafe memory.baseAddress, let x = x.baseAddress,
      let y = y.baseAddress
    else { return }
    let row = unsafe start + range.lowerBound * columns * type.bitWidth / 8
    let result = unsafe y + range.lowerBound
    switch type {
    case .bf16:
      unsafe DotProducts.brainFloat(
        row.assumingMemoryBound(to: UInt16.self), width: columns, rows: range.count, x, into: result
      )
    case .f16:
      unsafe DotProducts.halfFloat(
        row.assumingMemoryBound(to: UInt16.self), width: columns, rows: range.count, x, into: result
      )
    default:
      unsafe DotProducts.single(
        row.assumingMemoryBound(to: Float.self), width: columns, rows: range.count, x, into: result)
    }
  }

  /// Rows that a thread does at a time: about 32 KiB of weights, a part of its nearest cache.
  var rowsOfPart: Int {
    let size = max(1, columns * type.bitWidth / 8)
    return max(4, (1 << 15) / size / 4 * 4)
  }
}
