internal import AdapterInsight
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// One tensor of a checkpoint that should be a merge: finds out what is to be said of it.
struct TensorVerification: Sendable {
  let name: Name
  let view: AdaptedCheckpoint
  let expected: TensorInfo?
  let found: StoredTensor?
  let tolerance: Double

  private typealias Outcome = (
    kind: MergeVerification.Kind, difference: MergeVerification.Difference?
  )

  /// Bytes that are to be compared.
  var byteCount: Int { expected?.byteCount ?? 0 }

  /// Compares the tensor.
  ///
  /// - Parameter report: told how many bytes have been compared.
  /// - Throws: `AdapterError` where it cannot be.
  /// - Returns: what there is to say.
  func run(_ report: (Int) -> Void) throws -> MergeVerification.Tensor {
    let (kind, difference) = try outcome(report)
    return .init(
      name: name, kind: kind, expected: expected, found: found?.info, difference: difference)
  }

  private func outcome(_ report: (Int) -> Void) throws -> Outcome {
    guard let expected else { return (.additional, nil) }
    guard let found else { return (.missing, nil) }
    guard expected.shape == found.info.shape else { return (.otherShape, nil) }
    let areFloats = expected.type.isFloat && found.info.type.isFloat
    guard expected.type == found.info.type || areFloats else { return (.otherType, nil) }
    if let adapted = view.adapted(name) { return try compare(found, with: adapted, report) }
    guard let stored = view.checkpoint.tensor(name) else { return (.additional, nil) }
    var comparison = UntouchedComparison(stored, found)
    try comparison.run(report)
    return comparison.difference.map { (.changed, $0) } ?? (.untouched, nil)
  }

  private func compare(
    _ found: StoredTensor, with adapted: AdaptedTensor, _ report: (Int) -> Void
  ) throws -> Outcome {
    if try isIdentical(found, to: adapted, report) { return (.identical, nil) }
    guard adapted.info.type.isFloat else {
      let count = try countDifferences(found, from: adapted)
      return (.differs, .init(count: count, largest: nil, change: nil))
    }
    let comparison = try ExactComparison(found, adapted, view)
    let difference = comparison.difference
    guard difference.count > 0 else { return (.withinOneRounding, difference) }
    // What is no number is within no tolerance.
    let distance = difference.change?.relativeDistance ?? .infinity
    return (tolerance > 0 && distance <= tolerance ? .withinTolerance : .differs, difference)
  }

  /// Returns true if it holds the bytes of our merge; stops at the first tile that differs.
  private func isIdentical(
    _ found: StoredTensor, to adapted: AdaptedTensor, _ report: (Int) -> Void
  ) throws -> Bool {
    let adapted = adapted.stored(as: found.info.type)
    let memory = ScratchMemory()
    var isIdentical = true
    try unsafe forEachTile(of: adapted) { elements, tile in
      let other = unsafe memory.bytes(count: tile.count)
      try unsafe found.read(elements, into: other)
      report(tile.count)
      isIdentical = unsafe tile.isEqual(to: UnsafeRawBufferPointer(other))
      return isIdentical
    }
    return isIdentical
  }

  /// Elements of no float type that are not the same bytes.
  private func countDifferences(
    _ found: StoredTensor, from adapted: AdaptedTensor
  ) throws -> Int {
    var count = 0
    try unsafe forEachTile(of: adapted) { elements, tile in
      let ours = unsafe Array(tile)
      let theirs = try found.contents(of: elements)
      count += ours.differences(from: theirs, of: found.info.type).count
      return true
    }
    return count
  }

  /// Calls `body` with the elements and the bytes of the tiles of our merge, as long as it returns true.
  private func forEachTile(
    of adapted: AdaptedTensor,
    _ body: (_ elements: Range<Int>, _ tile: UnsafeRawBufferPointer) throws -> Bool
  ) throws {
    let reader = TensorReader(adapted.info, try view.rows(of: adapted))
    try unsafe reader.readTiles { rows, tile in
      try unsafe body(reader.elements(of: rows), tile)
    }
  }
}
