internal import AdapterInsight
internal import Checkpoints
internal import Operations
internal import Storage

/// A tensor that no adapter changes against the base's: the same bytes, or in another float type its values
/// rounded once.
struct UntouchedComparison {
  private let stored: StoredTensor
  private let found: StoredTensor
  private var count = 0
  private var distances: RoundingDistances?

  /// Elements that are compared at once.
  private static let blockCount = 1 << 19

  init(_ stored: StoredTensor, _ found: StoredTensor) {
    self.stored = stored
    self.found = found
    if stored.info.type.isFloat { distances = RoundingDistances(found.info.type) }
  }

  /// How they differ; nil where they do not.
  var difference: MergeVerification.Difference? {
    count == 0 ? nil : .init(count: count, largest: distances?.largest, change: nil)
  }

  mutating func run(_ report: (Int) -> Void) throws {
    let memories = [ScratchMemory(), ScratchMemory()]
    for elements in stored.runs(of: Self.blockCount) {
      let mine = unsafe memories[0].bytes(count: stored.byteCount(of: elements))
      let theirs = unsafe memories[1].bytes(count: found.byteCount(of: elements))
      try unsafe stored.read(elements, into: mine)
      try unsafe found.read(elements, into: theirs)
      report(mine.count)
      let isSame = unsafe UnsafeRawBufferPointer(mine).isEqual(to: UnsafeRawBufferPointer(theirs))
      if isSame, stored.info.type == found.info.type { continue }
      unsafe compare(Array(mine), Array(theirs))
    }
  }

  private mutating func compare(_ mine: [UInt8], _ theirs: [UInt8]) {
    let (type, otherType) = (stored.info.type, found.info.type)
    guard type.isFloat else {
      count += mine.differences(from: theirs, of: type).count
      return
    }
    let (exact, values): ([Double], [Double]) = (
      mine.widened(from: type), theirs.widened(from: otherType)
    )
    let expected = type == otherType ? mine : exact.rounded(to: otherType)
    let places = expected.differences(from: theirs, of: otherType).filter {
      // Which NaN another type has is nobody's promise.
      type == otherType || !exact[$0].isNaN || !values[$0].isNaN
    }
    guard !places.isEmpty else { return }
    count += places.count
    unsafe values.withUnsafeBufferPointer { values in
      unsafe exact.withUnsafeBufferPointer { unsafe distances?.add(values, $0) }
    }
  }
}
