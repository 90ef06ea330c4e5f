/// Rows of F32 that follow each other, in memory that a `Workspace` or a `KeyValueCache` owns.
@safe struct FloatRows {
  private let start: UnsafeMutablePointer<Float>
  /// How many rows.
  let count: Int
  /// Elements of a row.
  let width: Int

  /// Rows in memory that outlives them.
  init(at start: UnsafeMutablePointer<Float>, count: Int, width: Int) {
    unsafe self.start = start
    self.count = count
    self.width = width
  }

  /// One row.
  subscript(row: Int) -> UnsafeMutableBufferPointer<Float> {
    precondition(row >= 0 && row < count)
    return unsafe UnsafeMutableBufferPointer(start: start + row * width, count: width)
  }

  /// All elements.
  var elements: UnsafeMutableBufferPointer<Float> {
    unsafe UnsafeMutableBufferPointer(start: start, count: count * width)
  }

  /// Some of the rows.
  subscript(rows: Range<Int>) -> FloatRows {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= count)
    return unsafe FloatRows(at: start + rows.lowerBound * width, count: rows.count, width: width)
  }

  /// Makes them equal to others of the same width.
  func copy(from other: FloatRows) {
    precondition(count == other.count && width == other.width)
    unsafe elements.baseAddress?.update(from: other.start, count: count * width)
  }

  /// Adds others of the same shape.
  func add(_ other: FloatRows) {
    precondition(count == other.count && width == other.width)
    let (mine, theirs) = unsafe (elements, other.elements)
    for index in 0..<count &* width { unsafe mine[index] += theirs[index] }
  }
}

/// Memory for the intermediate values of a pass, used anew by every pass; for one pass at a time, which is what
/// makes it safe to hand from thread to thread.
@safe final class Workspace: @unchecked Sendable {
  private var blocks: [UnsafeMutableBufferPointer<Float>] = unsafe []
  private var block = 0
  private var used = 0

  init() {}

  deinit {
    for index in unsafe blocks.indices { unsafe blocks[index].deallocate() }
  }

  /// Rows that are not initialised, valid until `reset`.
  func rows(_ count: Int, _ width: Int) -> FloatRows {
    // Rows of different buffers begin at other cache lines.
    let size = (count * width + 15) / 16 * 16
    while unsafe block < blocks.count {
      let memory = unsafe blocks[block]
      if used + size <= memory.count, let start = memory.baseAddress {
        defer { used += size }
        return unsafe FloatRows(at: start + used, count: count, width: width)
      }
      block += 1
      used = 0
    }
    let memory = unsafe UnsafeMutableRawBufferPointer.allocate(
      byteCount: max(size, 1 << 16) * 4, alignment: 64
    ).bindMemory(to: Float.self)
    unsafe blocks.append(memory)
    used = size
    return unsafe FloatRows(
      at: memory.baseAddress.unsafelyUnwrapped, count: count, width: width)
  }

  /// How much memory it has.
  var byteCount: Int {
    unsafe blocks.reduce(0) { $0 + $1.count * MemoryLayout<Float>.size }
  }

  /// Ends the use of everything it gave.
  func reset() {
    block = 0
    used = 0
  }

  /// Ends the use of what `body` asked for.
  func scope<Value>(_ body: () -> Value) -> Value {
    let mark = (block, used)
    defer { (block, used) = mark }
    return body()
  }
}
