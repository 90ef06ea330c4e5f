internal import AdapterFormat
internal import AdapterMath
internal import Checkpoints
internal import Storage

/// The change of one stored tensor, ready to be applied to tiles of its rows from any thread.
struct TensorUpdate: Sendable {
  let tensor: StoredTensor
  let update: ParameterUpdate
  let nonFiniteValues: AdaptedCheckpoint.Policy.NonFiniteValues

  /// Bytes of a tile, about: large enough for the file system, small enough for the cache.
  private static let tileByteCount = 1 << 20

  private static func rowByteCount(_ info: TensorInfo) -> Int {
    let rows = info.shape.dimensions.first ?? 1
    return rows == 0 ? 0 : info.byteCount / rows
  }

  /// The tiles of a tensor: runs of whole rows.
  static func tiles(of info: TensorInfo) -> [Range<Int>] {
    let rows = info.shape.dimensions.first ?? 1
    let count = max(1, tileByteCount / max(1, rowByteCount(info)))
    return stride(from: 0, to: rows, by: count).map { $0..<min($0 + count, rows) }
  }

  var tiles: [Range<Int>] { Self.tiles(of: tensor.info) }

  /// Where rows are among the tensor's bytes.
  static func byteRange(of rows: Range<Int>, in info: TensorInfo) -> Range<Int> {
    let size = rowByteCount(info)
    return rows.lowerBound * size..<rows.upperBound * size
  }

  func byteRange(of rows: Range<Int>) -> Range<Int> { Self.byteRange(of: rows, in: tensor.info) }

  /// Changes rows in place.
  func apply(
    to tile: UnsafeMutableRawBufferPointer, rows: Range<Int>, _ scratch: TileScratch
  ) throws(RuntimeError) {
    unsafe update.apply(to: tile, rows: rows, scratch: scratch)
    guard nonFiniteValues == .refuse,
      unsafe NonFinite.isPresent(in: UnsafeRawBufferPointer(tile), of: tensor.info.type)
    else { return }
    // Rare: something is not finite. It is an overflow unless the base had it already.
    let bytes = byteRange(of: rows)
    let original = try storing { () throws(StorageError) in
      try tensor.file.bytes(at: tensor.offset + UInt64(bytes.lowerBound), count: bytes.count)
    }
    let width = tensor.info.type.bitWidth / 8
    for start in stride(from: 0, to: bytes.count, by: width) {
      let after = unsafe Array(tile[start..<start + width])
      guard NonFinite.isPresent(in: after, of: tensor.info.type) else { continue }
      let before = Array(original[start..<start + width])
      guard NonFinite.isPresent(in: before, of: tensor.info.type) else {
        throw .overflow(tensor.info.name, tensor.info.type)
      }
    }
  }
}
