internal import AdapterInsight
internal import Checkpoints
internal import Operations
public import Storage

/// A tensor of an adapted checkpoint, read piece by piece: memory is a tile and the operands of its
/// changes, whatever its size. It may be read from several threads.
public struct TensorReader: Sendable {
  /// Its name, element type and shape.
  public let info: TensorInfo
  /// How many rows it has: elements of its first dimension; one, where it has none.
  public let rowCount: Int
  /// Bytes of a row.
  public let rowByteCount: Int
  private let source: Source

  private enum Source: Sendable {
    /// The base's own bytes.
    case stored(StoredTensor)
    case adapted(AdaptedRows)
  }

  init(_ stored: StoredTensor) {
    self.init(stored.info, .stored(stored))
  }

  init(_ info: TensorInfo, _ adapted: AdaptedRows) {
    self.init(info, .adapted(adapted))
  }

  private init(_ info: TensorInfo, _ source: Source) {
    self.info = info
    self.source = source
    // Elements that are parts of bytes: only all of them together are bytes.
    let isWhole = !info.type.bitWidth.isMultiple(of: 8)
    rowCount = isWhole ? 1 : info.shape.dimensions.first ?? 1
    rowByteCount = rowCount == 0 ? 0 : info.byteCount / rowCount
  }

  /// Reads rows into memory that is there.
  ///
  /// - Parameters:
  ///   - rows: which rows; they must lie within `0..<rowCount`.
  ///   - memory: takes their bytes, in the element type of the base; `rows.count * rowByteCount` long.
  /// - Throws: `AdapterError` where base or adapters cannot be read, or a value is not finite.
  public func read(
    _ rows: Range<Int>, into memory: UnsafeMutableRawBufferPointer
  ) throws {
    try unsafe read(rows, into: memory, TileMemory())
  }

  /// The bytes of rows.
  ///
  /// - Parameter rows: which rows; they must lie within `0..<rowCount`.
  /// - Throws: `AdapterError` as `read` does.
  /// - Returns: the bytes, in the element type of the base.
  public func contents(of rows: Range<Int>) throws -> [UInt8] {
    var contents = [UInt8](repeating: 0, count: rows.count * rowByteCount)
    try unsafe contents.withUnsafeMutableBytesThrowing { bytes in
      try unsafe read(rows, into: bytes)
    }
    return contents
  }

  /// Where rows are among the elements.
  func elements(of rows: Range<Int>) -> Range<Int> {
    let count = rowCount == 0 ? 0 : info.shape.count / rowCount
    return rows.lowerBound * count..<rows.upperBound * count
  }

  /// Calls `body` with one run of rows after the other, from the first to the last.
  ///
  /// - Parameter body: takes rows and their bytes, which are valid during the call only.
  /// - Throws: `AdapterError` as `read` does, and what `body` throws.
  public func forEachTile(
    _ body: (_ rows: Range<Int>, _ bytes: UnsafeRawBufferPointer) throws -> Void
  ) throws {
    try unsafe readTiles { rows, bytes in
      try unsafe body(rows, bytes)
      return true
    }
  }

  /// The digest of all of its bytes.
  func digest() throws -> Digest {
    var hasher = DigestHasher()
    try unsafe forEachTile { _, bytes in unsafe hasher.update(bytes) }
    return hasher.finish()
  }

  /// Returns the part of its change that rounding leaves.
  func survival() throws -> Survival {
    let worker = TileMemory(measuringEvery: 1)
    try unsafe readTiles(worker) { _, _ in true }
    return worker.survival
  }

  /// Returns true if its change alters any value; works it out only as far as that takes.
  func changes() throws -> Bool {
    let worker = TileMemory(measuringEvery: 1)
    try unsafe readTiles(worker) { _, _ in worker.survival.changedCount == 0 }
    return worker.survival.changedCount > 0
  }

  /// Calls `body` with one run of rows after the other, as long as it returns true.
  func readTiles(
    _ worker: TileMemory = TileMemory(),
    _ body: (_ rows: Range<Int>, _ bytes: UnsafeRawBufferPointer) throws -> Bool
  ) throws {
    let memory = ScratchMemory()
    let step = tileRowCount
    for start in stride(from: 0, to: rowCount, by: step) {
      let rows = start..<min(rowCount, start + step)
      let tile = unsafe memory.bytes(count: rows.count * rowByteCount)
      try unsafe read(rows, into: tile, worker)
      guard try unsafe body(rows, UnsafeRawBufferPointer(tile)) else { return }
    }
  }

  private static let tileByteCount = 1 << 20

  /// Rows of a tile; those of a changed tensor are worked on together.
  private var tileRowCount: Int {
    let count = max(1, Self.tileByteCount / max(1, rowByteCount))
    guard case .adapted(let adapted) = source, adapted.grid.rows == rowCount else { return count }
    return adapted.tileRowCount
  }

  private func read(
    _ rows: Range<Int>, into memory: UnsafeMutableRawBufferPointer, _ worker: TileMemory
  ) throws {
    let count = memory.count
    precondition(
      rows.lowerBound >= 0 && rows.upperBound <= rowCount && count == rows.count * rowByteCount,
      "rows or memory out of bounds")
    guard count > 0 else { return }
    switch source {
    case .stored(let stored):
      let elements = elements(of: rows)
      try unsafe stored.read(elements, into: memory)
    case .adapted(let update):
      let start = rows.lowerBound * rowByteCount
      try unsafe update.read(start..<start + count, into: memory, worker)
    }
  }
}
