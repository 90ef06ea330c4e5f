internal import AdapterFormat
internal import Operations
internal import Storage

/// A sum of changes of one weight that do not depend on it: ΔW, by its factors where it has any, else
/// tile by tile.
struct AdditiveEffect: Sendable {
  /// [out, in], [experts, out, in], or as stored.
  let shape: Shape
  /// ΔW, or that of each expert, as products of low rank; nil where it is none.
  let factors: [FactoredMatrix]?
  private let operations: [BoundOperation]
  /// A convolution's [in, k, …]; empty where the operands do not show one.
  private let kernel: [Int]

  /// Beyond this many elements a matrix that is no product is not written out.
  static let maximumDenseCount = 1 << 21
  /// Beyond this many it is not worked out at all: a few bytes of a file can stand for very many.
  private static let maximumCount = 1 << 31

  init(
    _ operations: [Operation], of shape: Shape, in adapter: Adapter
  ) throws {
    self.shape = shape
    kernel =
      operations.lazy.map(\.kernel).first { !$0.isEmpty } ?? []
    self.operations = operations.map {
      BoundOperation($0.inLogicalLayout, of: adapter, part: .whole)
    }
    factors = try Self.factors(of: self.operations, shape)
  }

  /// The shape as a matrix; experts lie one below the other.
  var matrixShape: (rows: Int, columns: Int) {
    (shape.dimensions.dropLast().reduce(1, *), shape.dimensions.last ?? 1)
  }

  /// Returns true if both may be of one convolution.
  func hasSameKernel(as other: AdditiveEffect) -> Bool {
    kernel.isEmpty || other.kernel.isEmpty || kernel == other.kernel
  }

  private static func factors(
    of operations: [BoundOperation], _ shape: Shape
  ) throws -> [FactoredMatrix]? {
    guard shape.dimensions.count >= 2, let smallest = shape.dimensions.suffix(2).min() else {
      return nil
    }
    var sum: [FactoredMatrix]?
    for operation in operations {
      guard let factors = try operation.factors(shape, below: smallest) else { return nil }
      guard let sofar = sum else {
        sum = factors
        continue
      }
      guard sofar.count == factors.count else { return nil }
      sum = zip(sofar, factors).map { $0.adding($1) }
    }
    return sum
  }

  /// Calls `body` with runs of values of ΔW, row by row, and of other changes of the same shape.
  ///
  /// - Throws: `FormatError` where operands cannot be read, or the weight is too large.
  private static func forEachTile(
    _ all: [AdditiveEffect], _ body: ([UnsafeBufferPointer<Double>]) -> Void
  ) throws {
    guard let shape = all.first?.shape, shape.count <= maximumCount else {
      throw AdapterError(.misuse, "a weight of more than \(maximumCount) elements")
    }
    var programs: [(TensorProgram, ScratchMemory)] = []
    for effect in all {
      let program = try TensorProgram(effect.operations, type: .f64, shape: shape)
      programs.append((program, ScratchMemory()))
    }
    let scratch = TileScratch()
    guard let grid = programs.first?.0.grid else { return }
    for rows in grid.tiles(of: 1 << 16) {
      let count = rows.count * grid.columns * MemoryLayout<Double>.size
      var tiles: [UnsafeBufferPointer<Double>] = unsafe []
      for (program, memory) in programs {
        // Zeros, changed.
        let bytes = unsafe memory.bytes(count: count)
        unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
        try unsafe program.apply(to: bytes, rows: rows, scratch: scratch)
        unsafe tiles.append(UnsafeBufferPointer(bytes.assumingMemoryBound(to: Double.self)))
      }
      unsafe body(tiles)
    }
  }

  /// ‖ΔW‖_F, tile by tile.
  ///
  /// - Throws: `FormatError` as `forEachTile` does.
  func norm() throws -> Double {
    var norm = 0.0
    try unsafe Self.forEachTile([self]) { tiles in
      norm = unsafe hypotenuse(norm, euclideanNorm(tiles[0]))
    }
    return norm
  }

  /// All of ΔW, where it is small.
  ///
  /// - Throws: `FormatError` as `forEachTile` does, `LinearAlgebraError`.
  func dense() throws -> DenseMatrix? {
    let (rows, columns) = matrixShape
    guard shape.dimensions.count == 2, shape.count <= Self.maximumDenseCount else { return nil }
    try LinearAlgebra.require()
    var values: [Double] = []
    try unsafe Self.forEachTile([self]) { unsafe values.append(contentsOf: $0[0]) }
    return DenseMatrix(rows: rows, columns: columns, byRows: values)
  }

  /// The sums of a comparison with another change of the same shape.
  ///
  /// - Throws: `FormatError` as `forEachTile` does.
  func compared(to other: AdditiveEffect) throws -> PairSums {
    var sums = PairSums()
    try unsafe Self.forEachTile([self, other]) { tiles in
      unsafe sums.add(tiles[0], tiles[1])
    }
    return sums
  }
}

extension BoundOperation {
  /// The change as products of low rank, one for each expert; nil where it is none, or one of no lower
  /// rank than the weight.
  fileprivate func factors(_ shape: Shape, below smallest: Int) throws -> [FactoredMatrix]? {
    guard let low = operation.kind?.lowRank, low.product.isChange else { return nil }
    var operands = OperandLoader(adapter)
    let products: [LowRankFactors<Double>] = try low.factors(&operands, shape)
    guard products.allSatisfy({ $0.rank <= 2 * smallest }) else { return nil }
    return products.map { FactoredMatrix($0) }
  }
}
