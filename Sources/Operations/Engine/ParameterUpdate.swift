package import AdapterFormat
package import Storage
package import StrictJSON

/// The operations on one parameter, their operands loaded: changes the parameter tile by tile.
///
/// A tile is a run of whole rows of the stored matrix. Tiles are independent, so that several threads
/// may work on one parameter.
package struct ParameterUpdate: Sendable {
  /// How the parameter is cut.
  package let grid: TileGrid
  private let type: ElementType
  private let storedType: ElementType
  private var program: Program
  /// The operands that hold a NaN or an infinity.
  package let nonfiniteOperands: [Name]

  private enum Program: Sendable {
    /// The parameter's own bytes, whatever they mean.
    case bytes(OperandRun)
    /// Its bits before a change.
    case bits(BitRestoration)
    case single(TileProgram<Float>)
    case double(TileProgram<Double>)
  }

  /// Loads the operands.
  ///
  /// - Parameters:
  ///   - changes: what changes the parameter, in order; layouts resolved.
  ///   - type: the type that the result is rounded to.
  ///   - storedType: the type that the base stores; nil for the same.
  ///   - shape: its shape as written.
  /// - Throws: `FormatError` where operands cannot be read, or are damaged.
  package init(
    _ changes: [ParameterChange], type: ElementType, storedType: ElementType? = nil, shape: Shape
  ) throws(FormatError) {
    self.type = type
    self.storedType = storedType ?? type
    grid = TileGrid(shape, of: type, changes: changes)
    if changes.count == 1, case .replace(let replace) = changes[0].operation,
      replace.value.type == type
    {
      let run = try OperandRun(replace.value, of: changes[0].adapter)
      (program, nonfiniteOperands) = (
        .bytes(run), run.isFinite ? [] : [replace.value.operand.tensor]
      )
    } else if changes.count == 1, case .restore(let restore) = changes[0].operation {
      guard storedType ?? type == type, restore.difference.type.bitWidth == type.bitWidth else {
        throw .unsupported("restore of elements of another type")
      }
      let bits = try BitRestoration(restore, of: changes[0].adapter)
      (program, nonfiniteOperands) = (.bits(bits), bits.nonfiniteOperands)
    } else if [type, storedType].contains(.f64) || changes.contains(where: \.needsDouble) {
      let program = try TileProgram<Double>(changes, shape)
      (self.program, nonfiniteOperands) = (.double(program), program.nonfiniteOperands)
    } else {
      let program = try TileProgram<Float>(changes, shape)
      (self.program, nonfiniteOperands) = (.single(program), program.nonfiniteOperands)
    }
  }

  /// Whether it needs to see all of the parameter before it can change any of it.
  package var needsMeasuring: Bool {
    switch program {
    case .bytes, .bits: false
    case .single(let program): program.needsMeasuring
    case .double(let program): program.needsMeasuring
    }
  }

  /// Looks at all of the parameter, in one pass.
  ///
  /// - Parameters:
  ///   - tiles: runs of rows that make up the parameter.
  ///   - failing: makes an error of its caller's kind of one of an operand.
  ///   - read: gives the stored bytes of rows.
  /// - Throws: what `read` throws, and what `failing` makes.
  package mutating func measure<Failure: Error>(
    tiles: [Range<Int>], failing: (FormatError) -> Failure,
    _ read: (Range<Int>) throws(Failure) -> [UInt8]
  ) throws(Failure) {
    let scratch = TileScratch()
    switch program {
    case .bytes, .bits: break
    case .single(var program):
      try program.measure(grid, storedType, tiles: tiles, &scratch.single, failing, read)
      self.program = .single(program)
    case .double(var program):
      try program.measure(grid, storedType, tiles: tiles, &scratch.double, failing, read)
      self.program = .double(program)
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
  ) throws(FormatError) {
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
  ) throws(FormatError) {
    let widths = (
      stored: grid.columns * storedType.bitWidth / 8, result: grid.columns * type.bitWidth / 8
    )
    if case .bytes(let bytes) = program {
      let part = rows.lowerBound * grid.columns..<rows.upperBound * grid.columns
      unsafe result.copyBytes(from: try bytes.bytes(ofElements: part))
      return
    }
    for part in grid.parts(of: rows) {
      let start = part.lowerBound - rows.lowerBound
      let end = part.upperBound - rows.lowerBound
      let source = unsafe UnsafeRawBufferPointer(
        rebasing: stored[start * widths.stored..<end * widths.stored])
      let target = unsafe UnsafeMutableRawBufferPointer(
        rebasing: result[start * widths.result..<end * widths.result])
      switch program {
      case .bytes: break
      case .bits(let bits): try unsafe bits.apply(source, to: target, type, grid, part)
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

/// What happens to every tile of a parameter, in one type of arithmetic.
private struct TileProgram<Scalar: ComputeScalar>: Sendable {
  private let replacements: [any TileChange<Scalar>]
  private var changes: [any TileChange<Scalar>]
  let nonfiniteOperands: [Name]

  init(_ all: [ParameterChange], _ shape: Shape) throws(FormatError) {
    var replacements: [any TileChange<Scalar>] = []
    var changes: [any TileChange<Scalar>] = []
    var nonfinite: [Name] = []
    for change in all {
      var loader = OperandLoader(change.adapter, weight: change.weight)
      let loaded: [any TileChange<Scalar>] = try change.load(&loader, shape)
      if change.operation.isReplacement { replacements += loaded } else { changes += loaded }
      nonfinite += loader.nonfinite.map(\.tensor)
    }
    self.replacements = replacements
    self.changes = changes
    nonfiniteOperands = nonfinite
  }

  var needsMeasuring: Bool { changes.contains { $0.sumCount > 0 } }

  /// Changes one part of a tile.
  func apply(
    _ stored: UnsafeRawBufferPointer, _ storedType: ElementType,
    to result: UnsafeMutableRawBufferPointer, _ type: ElementType, _ grid: TileGrid,
    _ rows: Range<Int>, _ tile: inout Tile<Scalar>, _ survival: inout Survival?
  ) throws(FormatError) {
    try unsafe widen(stored, storedType, grid, rows, &tile)
    if survival != nil || changes.contains(where: \.needsOriginal) { tile.keepOriginal() }
    for change in changes { try change.apply(to: &tile) }
    unsafe tile.values.withUnsafeBufferPointer { values in
      unsafe Scalar.round(
        UnsafeBufferPointer(rebasing: values[..<tile.count]), to: type, into: result)
    }
    if survival != nil { unsafe survival?.add(&tile, UnsafeRawBufferPointer(result), type) }
  }

  mutating func measure<Failure: Error>(
    _ grid: TileGrid, _ type: ElementType, tiles: [Range<Int>], _ tile: inout Tile<Scalar>,
    _ failing: (FormatError) -> Failure, _ read: (Range<Int>) throws(Failure) -> [UInt8]
  ) throws(Failure) {
    var sums = changes.map { [Double](repeating: 0, count: $0.sumCount) }
    let width = grid.columns * type.bitWidth / 8
    for rows in tiles {
      let bytes = try read(rows)
      for part in grid.parts(of: rows) {
        let start = (part.lowerBound - rows.lowerBound) * width
        try rethrowing(as: failing) { () throws(FormatError) in
          try unsafe bytes.withUnsafeBytesThrowing { bytes throws(FormatError) in
            let piece = unsafe UnsafeRawBufferPointer(
              rebasing: bytes[start..<start + part.count * width])
            try unsafe widen(piece, type, grid, part, &tile)
          }
        }
        for (index, change) in changes.enumerated() where change.sumCount > 0 {
          change.measure(&tile, &sums[index])
        }
      }
    }
    for index in changes.indices { changes[index] = changes[index].measured(sums[index]) }
  }

  private func widen(
    _ bytes: UnsafeRawBufferPointer, _ type: ElementType, _ grid: TileGrid, _ rows: Range<Int>,
    _ tile: inout Tile<Scalar>
  ) throws(FormatError) {
    tile.move(to: rows, columns: grid.columns)
    let count = tile.count
    unsafe tile.values.withUnsafeMutableBufferPointer { values in
      unsafe Scalar.widen(
        bytes, of: type, into: UnsafeMutableBufferPointer(rebasing: values[..<count]))
    }
    for change in replacements { try change.apply(to: &tile) }
  }
}

extension Operation {
  /// Whether it gives values, whatever was there.
  package var isReplacement: Bool {
    switch self {
    case .replace, .replaceRows, .restore: true
    default: false
    }
  }
}
