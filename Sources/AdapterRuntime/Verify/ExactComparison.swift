internal import AdapterFormat
internal import AdapterInsight
internal import Checkpoints
internal import Operations
internal import Storage

/// A tensor that should be changed against the exact values: computed in F64 from end to end, and not rounded.
struct ExactComparison {
  private var distances: RoundingDistances
  private var sums = PairSums()

  /// Elements that are compared at once, about.
  private static let blockCount = 1 << 16

  init(
    _ found: StoredTensor, _ adapted: AdaptedTensor, _ view: AdaptedCheckpoint
  ) throws {
    distances = RoundingDistances(found.info.type)
    let program = try view.exactProgram(of: adapted)
    let (grid, scratch) = (program.grid, TileScratch())
    for rows in grid.tiles(of: Self.blockCount) {
      let base: [Double] = try AdaptedRows.original(of: adapted, rows, grid)
        .widened(from: adapted.storedType)
      var exact = base
      try unsafe exact.withUnsafeMutableBytesThrowing { values in
        try unsafe program.apply(to: values, rows: rows, scratch: scratch)
      }
      let values = try found.doubles(of: grid.elements(of: rows))
      add(values, exact, base)
    }
  }

  /// Adds values that are there, those that should be, and what the base holds in their place.
  private mutating func add(_ values: [Double], _ exact: [Double], _ base: [Double]) {
    unsafe values.withUnsafeBufferPointer { values in
      unsafe exact.withUnsafeBufferPointer { unsafe distances.add(values, $0) }
    }
    for index in base.indices {
      sums.add(exact[index] - base[index], values[index] - base[index])
    }
  }

  /// How the values differ.
  var difference: MergeVerification.Difference {
    .init(
      count: distances.count, largest: distances.largest, change: PartComparison(.weight, sums))
  }
}
