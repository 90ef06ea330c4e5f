internal import AdapterFormat
package import Storage
package import StrictJSON

/// All operations on one stored tensor, their operands loaded: makes the tensor's new values tile by tile.
///
/// A tile is a run of whole rows of the stored matrix. Tiles are independent, so that several threads
/// may work on one tensor.
package struct TensorProgram: Sendable {
  /// How the tensor is cut.
  package let grid: TileGrid
  private let type: ElementType
  private let storedType: ElementType
  private var content: Content
  /// The operands that hold a NaN or an infinity, and the places of their operations.
  package let nonfiniteOperands: [(operation: Int, operand: Name)]

  private enum Content: Sendable {
    /// The stored bytes, whatever they mean.
    case bytes(any ByteProgram)
    case single(TileProgram<Float>)
    case double(TileProgram<Double>)
  }

  /// An error of one of the operations.
  package struct Failure: Error {
    /// Its place.
    package let operation: Int
    /// The underlying error.
    package let error: any Error
  }

  /// Loads the operands.
  ///
  /// - Parameters:
  ///   - operations: what changes the tensor, in order; layouts resolved.
  ///   - type: the type that the result is rounded to.
  ///   - storedType: the type that the base stores; nil for the same.
  ///   - shape: its shape as written.
  /// - Throws: `Failure` of an operation whose operands cannot be read, are damaged, or are not numbers for which it
  ///   is defined.
  package init(
    _ operations: [BoundOperation], type: ElementType, storedType: ElementType? = nil, shape: Shape
  ) throws {
    self.type = type
    self.storedType = storedType ?? type
    grid = TileGrid(shape, of: type, operations: operations)
    if let bytes = try Self.byteProgram(operations, type, storedType ?? type) {
      content = .bytes(bytes)
      nonfiniteOperands = bytes.nonfiniteOperands.map { (0, $0.tensor) }
    } else if [type, storedType].contains(.f64) || operations.contains(where: \.needsDouble) {
      let program = try TileProgram<Double>(operations, shape)
      (content, nonfiniteOperands) = (.double(program), program.nonfiniteOperands)
    } else {
      let program = try TileProgram<Float>(operations, shape)
      (content, nonfiniteOperands) = (.single(program), program.nonfiniteOperands)
    }
  }

  private static func byteProgram(
    _ operations: [BoundOperation], _ type: ElementType, _ storedType: ElementType
  ) throws -> (any ByteProgram)? {
    guard operations.count == 1, let kind = operations[0].operation.kind else { return nil }
    do {
      return try kind.byteProgram(of: operations[0].adapter, as: type, from: storedType)
    } catch {
      throw Failure(operation: 0, error: error)
    }
  }

  /// True if the program needs to see all of the tensor before it can change any of it.
  package var needsMeasuring: Bool {
    switch content {
    case .bytes: false
    case .single(let program): program.needsMeasuring
    case .double(let program): program.needsMeasuring
    }
  }

  /// Looks at all of the tensor, in one pass on all processors.
  ///
  /// - Parameters:
  ///   - tiles: runs of rows that make up the tensor.
  ///   - read: gives the stored bytes of rows, to any thread.
  /// - Throws: what `read` throws, and `FormatError` where an operand cannot be read.
  package mutating func measure(
    tiles: [Range<Int>], _ read: @Sendable (Range<Int>) throws -> [UInt8]
  ) throws {
    let (grid, type) = (grid, storedType)
    switch content {
    case .bytes: break
    case .single(var program):
      try program.measure(tiles) { program, rows in
        let scratch = TileScratch()
        return try program.sums(grid, type, rows, &scratch.single, read)
      }
      content = .single(program)
    case .double(var program):
      try program.measure(tiles) { program, rows in
        let scratch = TileScratch()
        return try program.sums(grid, type, rows, &scratch.double, read)
      }
      content = .double(program)
    }
  }

  /// Changes a tile in place: widened once, changed by every operation, rounded once.
  ///
  /// - Parameters:
  ///   - tile: the stored bytes of the rows, in the type of the result.
  ///   - rows: which rows of the stored matrix they are.
  ///   - scratch: the thread's own memory.
  /// - Throws: `FormatError` where an operand that is not in memory cannot be read.
  package func apply(
    to tile: UnsafeMutableRawBufferPointer, rows: Range<Int>, scratch: TileScratch
  ) throws {
    var survival: Survival?
    try unsafe apply(
      UnsafeRawBufferPointer(tile), to: tile, rows: rows, scratch: scratch, &survival)
  }

  /// Makes the rows of the result from those that the base stores.
  ///
  /// - Parameters:
  ///   - stored: the bytes of the rows as the base stores them.
  ///   - result: takes those of the result; the same memory where the types are.
  ///   - rows: which rows of the stored matrix they are.
  ///   - scratch: the thread's own memory.
  ///   - survival: adds up what rounding leaves of the change, where it is wanted.
  /// - Throws: `FormatError` where an operand that is not in memory cannot be read.
  package func apply(
    _ stored: UnsafeRawBufferPointer, to result: UnsafeMutableRawBufferPointer, rows: Range<Int>,
    scratch: TileScratch, _ survival: inout Survival?
  ) throws {
    let widths = (
      stored: grid.columns * storedType.bitWidth / 8, result: grid.columns * type.bitWidth / 8
    )
    if case .bytes(let program) = content {
      return try unsafe program.apply(stored, to: result, type, grid, rows)
    }
    for part in grid.parts(of: rows) {
      let start = part.lowerBound - rows.lowerBound
      let end = part.upperBound - rows.lowerBound
      let source = unsafe UnsafeRawBufferPointer(
        rebasing: stored[start * widths.stored..<end * widths.stored])
      let target = unsafe UnsafeMutableRawBufferPointer(
        rebasing: result[start * widths.result..<end * widths.result])
      switch content {
      case .bytes: break
      case .single(let program):
        try unsafe program.apply(
          source, storedType, to: target, type, grid, part, &scratch.single, &survival)
      case .double(let program):
        try unsafe program.apply(
          source, storedType, to: target, type, grid, part, &scratch.double, &survival)
      }
    }
  }
}
