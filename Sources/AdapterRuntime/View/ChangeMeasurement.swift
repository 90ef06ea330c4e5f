internal import AdapterFormat
public import AdapterInsight
internal import Checkpoints
internal import Operations
internal import Storage
public import StrictJSON

/// The changes that adapters make in the tensors of a base, measured with the base at hand: true for every method, as
/// the adapted values themselves are compared, before they are rounded.
public struct ChangeMeasurement: Sendable {
  /// The tensors that any of the adapters changes or makes, by name.
  public let tensors: [Tensor]

  /// One stored tensor.
  public struct Tensor: Sendable, Hashable {
    /// Its name.
    public let name: Name
    /// ‖W‖_F of the base; 0 for a tensor that it does not have, NaN for one that gets another shape.
    public let weightNorm: Double
    /// ‖ΔW‖_F of both adapters, and how far they are apart; nil where they make it of different shapes. Of one
    /// adapter alone, the right one changes nothing.
    public let change: PartComparison?
  }

  /// Measures one adapter, or two against each other.
  ///
  /// - Parameters:
  ///   - left: a base seen through an adapter.
  ///   - right: the same base seen through another; nil for the base itself.
  ///   - report: told how many of how many bytes of the base have been worked on; from any thread.
  /// - Throws: `AdapterError` where base or adapters cannot be read, or hold values that are not finite and
  ///   are not allowed.
  public init(
    _ left: AdaptedCheckpoint, _ right: AdaptedCheckpoint? = nil,
    _ report: @Sendable (_ count: Int, _ total: UInt64) -> Void = { _, _ in }
  ) throws {
    let names = Set(left.changedNames).union(right?.changedNames ?? []).sorted()
    let pairs = names.map {
      TensorPair(name: $0, left: left.adapted($0), right: right?.adapted($0))
    }
    let total = pairs.reduce(0 as UInt64) { $0 + UInt64($1.byteCount) }
    tensors = try pairs.concurrentMap { pair in
      defer { report(pair.byteCount, total) }
      return try pair.measure(left, right)
    }
  }
}

/// A tensor as two adapters make it.
private struct TensorPair: Sendable {
  let name: Name
  let left: AdaptedTensor?
  let right: AdaptedTensor?

  var byteCount: Int { left?.info.byteCount ?? right?.info.byteCount ?? 0 }

  func measure(
    _ leftView: AdaptedCheckpoint, _ rightView: AdaptedCheckpoint?
  ) throws -> ChangeMeasurement.Tensor {
    guard let some = left ?? right, left == nil || right == nil || left?.info == right?.info else {
      return .init(name: name, weightNorm: 0, change: nil)
    }
    guard some.info.type.isFloat else { return try compareBytes(leftView, rightView) }
    let sides = [
      try left.map { tensor in try leftView.exactProgram(of: tensor) },
      try right.flatMap { tensor in try rightView?.exactProgram(of: tensor) },
    ]
    let grids = sides.compactMap { $0?.grid }
    guard let grid = grids.max(by: { $0.alignment < $1.alignment }) else {
      return .init(name: name, weightNorm: 0, change: nil)
    }
    // What an adapter replaces is not made from the base's tensor, and yet a change of it.
    let own = leftView.checkpoint.tensor(name) ?? some.origin
    let base = own.flatMap { $0.info.shape == some.info.shape ? $0 : nil }
    var sums = TileSums()
    for rows in grid.tiles(of: 1 << 16) {
      let elements = grid.elements(of: rows)
      let stored = try base?.doubles(of: elements)
      try sums.add(stored ?? Array(repeating: 0, count: elements.count), sides, rows)
    }
    // Of a tensor that gets another shape the base's own norm says nothing beside the new one's.
    let isResized = base == nil && own != nil
    return .init(
      name: name, weightNorm: isResized ? .nan : sums.weight.squareRoot(),
      change: PartComparison(.weight, sums.change))
  }

  /// Of what is no float one can only say whether it is the same.
  private func compareBytes(
    _ leftView: AdaptedCheckpoint, _ rightView: AdaptedCheckpoint?
  ) throws -> ChangeMeasurement.Tensor {
    let other = rightView ?? leftView
    let isSame = try leftView.contents(of: name) == (try other.contents(of: name))
    let isBase = rightView == nil
    let sums = PairSums(norm: isSame && !isBase ? 0 : .nan, isLeft: true)
    return .init(name: name, weightNorm: .nan, change: PartComparison(.weight, sums))
  }
}

/// Sums over the tiles of one tensor, and the memory for one tile.
private struct TileSums {
  private(set) var weight = 0.0
  private(set) var change = PairSums()
  private let memories = [ScratchMemory(), ScratchMemory()]
  private let scratch = TileScratch()

  /// Adds rows: what the base holds there, and what changes them on either side.
  mutating func add(_ base: [Double], _ sides: [TensorProgram?], _ rows: Range<Int>)
    throws
  {
    let count = base.count
    for value in base { weight += value * value }
    var tiles: [UnsafeMutableBufferPointer<Double>] = unsafe []
    for (side, memory) in zip(sides, memories) {
      let bytes = unsafe memory.bytes(count: count * MemoryLayout<Double>.size)
      let tile = unsafe bytes.assumingMemoryBound(to: Double.self)
      _ = unsafe tile.update(fromContentsOf: base)
      if let side {
        try unsafe side.apply(to: bytes, rows: rows, scratch: scratch)
      }
      for index in 0..<count { unsafe tile[index] -= base[index] }
      unsafe tiles.append(tile)
    }
    unsafe change.add(UnsafeBufferPointer(tiles[0]), UnsafeBufferPointer(tiles[1]))
  }
}

extension AdaptedCheckpoint {
  /// The change of a tensor in F64 from end to end.
  func exactProgram(of tensor: AdaptedTensor) throws -> TensorProgram {
    var program = try TensorProgram(tensor.operations, type: .f64, shape: tensor.info.shape)
    guard program.needsMeasuring else { return program }
    let grid = program.grid
    try program.measure(tiles: grid.tiles(of: 1 << 16)) { rows in
      let values: [Double] = try AdaptedRows.original(of: tensor, rows, grid)
        .widened(from: tensor.storedType)
      return unsafe values.withUnsafeBytes { unsafe Array($0) }
    }
    return program
  }
}
