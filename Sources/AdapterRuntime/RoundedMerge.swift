internal import AdapterFormat
internal import AdapterMath
internal import Adapters
internal import Checkpoints
internal import Storage

/// A changed tensor in another float type than the base's: widened once, changed, rounded to that type once.
struct RoundedMerge {
  private let adapted: AdaptedTensor
  private let type: ElementType
  private let update: ParameterUpdate
  private let isDouble: Bool

  /// Bytes of a tile of the result, about.
  private static let tileByteCount = 1 << 20

  init(
    _ adapted: AdaptedTensor, as type: ElementType, in view: AdaptedCheckpoint
  ) throws(RuntimeError) {
    self.adapted = adapted
    self.type = type
    isDouble = type == .f64 || adapted.info.type == .f64 || adapted.hasDoubleOperand
    update = try view.widenedUpdate(of: adapted, as: isDouble ? .f64 : .f32)
  }

  /// Whether a tensor of that type holds its bytes.
  func isIdentical(to found: StoredTensor) throws(RuntimeError) -> Bool {
    let scratch = TileScratch()
    for rows in update.grid.tiles(of: Self.tileByteCount * 8 / type.bitWidth) {
      let stored = try TensorUpdate.original(of: adapted, rows, update.grid)
      let ours =
        isDouble
        ? rounded(stored, rows, scratch, Double.self) : rounded(stored, rows, scratch, Float.self)
      let columns = update.grid.columns
      let theirs = try storing { () throws(StorageError) in
        try found.bytes(ofElements: rows.lowerBound * columns, rows.count * columns)
      }
      if ours != theirs { return false }
    }
    return true
  }

  private func rounded<Scalar: ComputeScalar>(
    _ stored: [UInt8], _ rows: Range<Int>, _ scratch: TileScratch, _: Scalar.Type
  ) -> [UInt8] {
    let count = rows.count * update.grid.columns
    var values = [Scalar](repeating: 0, count: count)
    var result = [UInt8](repeating: 0, count: count * type.bitWidth / 8)
    unsafe stored.withUnsafeBytes { stored in
      unsafe values.withUnsafeMutableBufferPointer {
        unsafe Scalar.widen(stored, of: adapted.info.type, into: $0)
      }
    }
    unsafe values.withUnsafeMutableBytes {
      unsafe update.apply(to: $0, rows: rows, scratch: scratch)
    }
    unsafe result.withUnsafeMutableBytes { result in
      unsafe values.withUnsafeBufferPointer { unsafe Scalar.round($0, to: type, into: result) }
    }
    return result
  }
}

extension AdaptedTensor {
  /// Whether an operand is F64, so that the arithmetic is too.
  fileprivate var hasDoubleOperand: Bool {
    changes.contains { change in
      change.operation.operands.contains { change.adapter.tensor($0.tensor)?.type == .f64 }
    }
  }
}

extension AdaptedCheckpoint {
  /// The change of a tensor, for values that are widened already.
  fileprivate func widenedUpdate(
    of tensor: AdaptedTensor, as type: ElementType
  ) throws(RuntimeError) -> ParameterUpdate {
    var update = try decoding { () throws(FormatError) in
      try ParameterUpdate(tensor.changes, type: type, shape: tensor.info.shape)
    }
    guard update.needsMeasuring else { return update }
    let (grid, stored) = (update.grid, tensor.info.type)
    try update.measure(tiles: grid.tiles(of: (1 << 20) * 8 / stored.bitWidth)) {
      rows throws(RuntimeError) in
      try TensorUpdate.original(of: tensor, rows, grid).doubles(of: stored).rounded(to: type)
    }
    return update
  }
}
