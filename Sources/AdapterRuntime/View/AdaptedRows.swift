internal import AdapterFormat
internal import AdapterInsight
internal import Checkpoints
internal import Operations
internal import Storage

/// The rows of a tensor that adapters change, made on demand from any thread.
struct AdaptedRows: Sendable {
  private let tensor: AdaptedTensor
  private let program: TensorProgram
  private let nonFiniteValues: AdaptedCheckpoint.Policy.NonFiniteValues

  /// Bytes of a tile, about: large enough for the file system, small enough for the cache.
  private static let tileByteCount = 1 << 20

  /// Prepares a change, with one pass over the tensor where it needs to know all of it.
  init(
    _ tensor: AdaptedTensor, _ program: TensorProgram,
    nonFiniteValues: AdaptedCheckpoint.Policy.NonFiniteValues
  ) throws {
    self.tensor = tensor
    self.nonFiniteValues = nonFiniteValues
    var program = program
    if program.needsMeasuring {
      let grid = program.grid
      let tiles = grid.tiles(of: Self.elementCount(of: tensor.storedType))
      try program.measure(tiles: tiles) { rows in
        try Self.original(of: tensor, rows, grid)
      }
    }
    self.program = program
  }

  private static func elementCount(of type: ElementType) -> Int {
    tileByteCount * 8 / type.bitWidth
  }

  /// How the tensor is cut into tiles.
  var grid: TileGrid { program.grid }

  /// Rows of a tile.
  var tileRowCount: Int { grid.step(of: Self.elementCount(of: tensor.info.type)) }

  /// Rows as the base stores them; zeros where nothing of the base is in the tensor.
  static func original(
    of tensor: AdaptedTensor, _ rows: Range<Int>, _ grid: TileGrid
  ) throws -> [UInt8] {
    guard let origin = tensor.origin else {
      return Array(repeating: 0, count: grid.byteRange(of: rows, tensor.storedType).count)
    }
    return try origin.contents(of: grid.elements(of: rows))
  }

  /// Makes some of the tensor's bytes.
  ///
  /// - Parameters:
  ///   - bytes: which.
  ///   - memory: takes them.
  ///   - worker: the thread's own memory.
  /// - Throws: `AdapterError` where base or adapters cannot be read, or a value is not finite.
  func read(
    _ bytes: Range<Int>, into memory: UnsafeMutableRawBufferPointer, _ worker: TileMemory
  ) throws {
    let rowByteCount = grid.byteRange(of: 0..<1, tensor.info.type).count
    guard rowByteCount > 0 else { return }
    let rows =
      bytes.lowerBound / rowByteCount..<min(grid.rows, (bytes.upperBound - 1) / rowByteCount + 1)
    for part in grid.parts(holding: rows, tilesOf: Self.elementCount(of: tensor.info.type)) {
      let range = grid.byteRange(of: part, tensor.info.type)
      // Of a part that two readers make, the first one measures.
      let isMeasured = range.lowerBound >= bytes.lowerBound && isMeasured(part, by: worker)
      let wanted = range.clamped(to: bytes)
      guard !wanted.isEmpty else { continue }
      let place = unsafe UnsafeMutableRawBufferPointer(
        rebasing: memory[
          wanted.lowerBound - bytes.lowerBound..<wanted.upperBound - bytes.lowerBound])
      guard range != wanted else {
        try unsafe make(part, in: place, worker, isMeasured)
        continue
      }
      // The last bits of a sum may depend on the rows that are worked on together: a part is made as a whole.
      let whole = unsafe worker.result.bytes(count: range.count)
      try unsafe make(part, in: whole, worker, isMeasured)
      let first = wanted.lowerBound - range.lowerBound
      unsafe place.copyMemory(
        from: UnsafeRawBufferPointer(rebasing: whole[first..<first + wanted.count]))
    }
  }

  /// Makes a part as a whole.
  private func make(
    _ rows: Range<Int>, in result: UnsafeMutableRawBufferPointer, _ worker: TileMemory,
    _ isMeasured: Bool
  ) throws {
    let isInPlace = tensor.storedType == tensor.info.type
    let count = grid.byteRange(of: rows, tensor.storedType).count
    let stored = unsafe isInPlace ? result : worker.stored.bytes(count: count)
    if let origin = tensor.origin {
      let elements = grid.elements(of: rows)
      let start = ContinuousClock.now
      try unsafe origin.read(elements, into: stored)
      worker.readingTime += ContinuousClock.now - start
    } else {
      unsafe stored.initializeMemory(as: UInt8.self, repeating: 0)
    }
    // Values that no adapter changes, in the type that they have: they were decoded, and nothing else.
    if isInPlace, tensor.operations.isEmpty {
      try unsafe checkDecoded(UnsafeRawBufferPointer(stored))
      return
    }
    var survival = isMeasured ? Survival() : nil
    try unsafe program.apply(
      UnsafeRawBufferPointer(stored), to: result, rows: rows, scratch: worker.tiles, &survival)
    if let survival { worker.survival += survival }
    try unsafe checkFinite(UnsafeRawBufferPointer(result), rows)
  }

  /// Returns true if the effect of rounding on the change is measured in a part. For a tensor that is replaced it would
  /// say nothing.
  private func isMeasured(_ part: Range<Int>, by worker: TileMemory) -> Bool {
    guard let stride = worker.survivalStride, tensor.isMeasurable else { return false }
    return part.lowerBound / max(1, part.count) % stride == 0
      || (worker.looksForChange && worker.survival.changedCount == 0)
  }

  /// Every value of a quantised base comes of codes and scales: one that is not finite is damage, whether an adapter
  /// changes it or not.
  private func checkDecoded(_ values: UnsafeRawBufferPointer) throws {
    guard nonFiniteValues == .refuse, let origin = tensor.origin, let scheme = origin.scheme,
      unsafe NonFinite.isPresent(in: values, of: origin.info.type)
    else { return }
    throw CheckpointError.notFinite(origin.info.name, scheme)
  }

  private func checkFinite(
    _ result: UnsafeRawBufferPointer, _ rows: Range<Int>
  ) throws {
    let type = tensor.info.type
    guard nonFiniteValues == .refuse, unsafe NonFinite.isPresent(in: result, of: type) else {
      return
    }
    // Rare: something is not finite. It is an overflow unless the base had it already.
    let original = try Self.original(of: tensor, rows, grid)
    try unsafe original.withUnsafeBytes { try unsafe checkDecoded($0) }
    let (width, storedWidth) = (type.bitWidth / 8, tensor.storedType.bitWidth / 8)
    for index in 0..<result.count / width {
      let after = unsafe Array(result[index * width..<(index + 1) * width])
      guard NonFinite.isPresent(in: after, of: type) else { continue }
      let before = Array(original[index * storedWidth..<(index + 1) * storedWidth])
      guard NonFinite.isPresent(in: before, of: tensor.storedType) else {
        throw AdapterError.overflow(tensor.info.name, type)
      }
    }
  }
}

/// One thread's memory for making tensors.
final class TileMemory {
  /// A part as it is stored, where the result is of another type.
  let stored = ScratchMemory()
  /// A part of which not all is wanted.
  let result = ScratchMemory()
  let tiles = TileScratch()
  /// Of how many parts one is measured; nil for none.
  let survivalStride: Int?
  /// True if every part is measured until one is found that changes.
  var looksForChange = false
  /// How long reading the base took.
  var readingTime: Duration = .zero
  /// The survival of the changes after rounding, in the parts that were measured.
  var survival = Survival()

  init(measuringEvery stride: Int? = nil) {
    survivalStride = stride
  }
}

extension TileGrid {
  /// Where rows are among the elements of a tensor.
  func elements(of rows: Range<Int>) -> Range<Int> {
    rows.lowerBound * columns..<rows.upperBound * columns
  }

  /// Where rows are among the bytes of a tensor of this type.
  func byteRange(of rows: Range<Int>, _ type: ElementType) -> Range<Int> {
    let size = columns * type.bitWidth
    return rows.lowerBound * size / 8..<rows.upperBound * size / 8
  }
}
