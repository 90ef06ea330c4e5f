internal import AdapterFormat
internal import AdapterMath
internal import Adapters
internal import Checkpoints
internal import Storage

/// The change of one tensor, ready to be applied to tiles of its rows from any thread.
struct TensorUpdate: Sendable {
  private let tensor: AdaptedTensor
  private let update: ParameterUpdate
  private let nonFiniteValues: AdaptedCheckpoint.Policy.NonFiniteValues

  /// Bytes of a tile, about: large enough for the file system, small enough for the cache.
  private static let tileByteCount = 1 << 20

  /// Prepares a change, with one pass over the tensor where it needs to know all of it.
  init(
    _ tensor: AdaptedTensor, _ update: ParameterUpdate,
    nonFiniteValues: AdaptedCheckpoint.Policy.NonFiniteValues
  ) throws(RuntimeError) {
    self.tensor = tensor
    self.nonFiniteValues = nonFiniteValues
    var update = update
    if update.needsMeasuring {
      let grid = update.grid
      try update.measure(tiles: Self.tiles(of: tensor.info, grid)) { rows throws(RuntimeError) in
        try Self.original(of: tensor, rows, grid)
      }
    }
    self.update = update
  }

  /// The tiles of a tensor: runs of whole rows.
  static func tiles(of info: TensorInfo, _ grid: TileGrid) -> [Range<Int>] {
    grid.tiles(of: elementCount(of: info))
  }

  private static func elementCount(of info: TensorInfo) -> Int {
    tileByteCount * 8 / info.type.bitWidth
  }

  /// How the tensor is cut into tiles.
  var grid: TileGrid { update.grid }

  /// Rows of a tile.
  var tileRowCount: Int { update.grid.step(of: Self.elementCount(of: tensor.info)) }

  /// The parts of tiles in which some of these rows are worked on.
  func parts(holding rows: Range<Int>) -> [Range<Int>] {
    update.grid.parts(holding: rows, tilesOf: Self.elementCount(of: tensor.info))
  }

  /// Where rows are among the tensor's bytes.
  func byteRange(of rows: Range<Int>) -> Range<Int> {
    Self.byteRange(of: rows, tensor.info, update.grid)
  }

  private static func byteRange(
    of rows: Range<Int>, _ info: TensorInfo, _ grid: TileGrid
  ) -> Range<Int> {
    let size = grid.columns * info.type.bitWidth
    return rows.lowerBound * size / 8..<rows.upperBound * size / 8
  }

  /// Rows as the base stores them; zeros where nothing of the base is in the tensor.
  func original(_ rows: Range<Int>) throws(RuntimeError) -> [UInt8] {
    try Self.original(of: tensor, rows, update.grid)
  }

  static func original(
    of tensor: AdaptedTensor, _ rows: Range<Int>, _ grid: TileGrid
  ) throws(RuntimeError) -> [UInt8] {
    let bytes = byteRange(of: rows, tensor.info, grid)
    guard let origin = tensor.origin else { return Array(repeating: 0, count: bytes.count) }
    return try storing { () throws(StorageError) in
      try origin.file.bytes(
        at: origin.offset + UInt64(bytes.lowerBound), count: bytes.count)
    }
  }

  /// The same, into memory that is there.
  func read(_ rows: Range<Int>, into tile: UnsafeMutableRawBufferPointer) throws(RuntimeError) {
    guard let origin = tensor.origin else {
      unsafe tile.initializeMemory(as: UInt8.self, repeating: 0)
      return
    }
    let offset = origin.offset + UInt64(byteRange(of: rows).lowerBound)
    try storing { () throws(StorageError) in try unsafe origin.file.read(at: offset, into: tile) }
  }

  /// Changes rows in place.
  func apply(
    to tile: UnsafeMutableRawBufferPointer, rows: Range<Int>, _ scratch: TileScratch
  ) throws(RuntimeError) {
    unsafe update.apply(to: tile, rows: rows, scratch: scratch)
    let type = tensor.info.type
    guard nonFiniteValues == .refuse,
      unsafe NonFinite.isPresent(in: UnsafeRawBufferPointer(tile), of: type)
    else { return }
    // Rare: something is not finite. It is an overflow unless the base had it already.
    let original = try original(rows)
    let width = type.bitWidth / 8
    for start in stride(from: 0, to: original.count, by: width) {
      let after = unsafe Array(tile[start..<start + width])
      guard NonFinite.isPresent(in: after, of: type) else { continue }
      let before = Array(original[start..<start + width])
      guard NonFinite.isPresent(in: before, of: type) else {
        throw .overflow(tensor.info.name, type)
      }
    }
  }
}
