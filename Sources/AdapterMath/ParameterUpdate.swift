package import AdapterFormat
internal import Adapters
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
  private var program: Program
  /// The operands that hold a NaN or an infinity.
  package let nonfiniteOperands: [Name]

  private enum Program: Sendable {
    /// The parameter's own bytes, whatever they mean.
    case bytes([UInt8])
    case single(TileProgram<Float>)
    case double(TileProgram<Double>)
  }

  /// Loads the operands.
  ///
  /// - Parameters:
  ///   - changes: what changes the parameter, in order; layouts resolved.
  ///   - type: the parameter's stored type.
  ///   - shape: its shape as written.
  /// - Throws: `FormatError` where operands cannot be read, or are damaged.
  package init(
    _ changes: [ParameterChange], type: ElementType, shape: Shape
  ) throws(FormatError) {
    self.type = type
    grid = TileGrid(shape, of: type, changes: changes)
    if changes.count == 1, case .replace(let replace) = changes[0].operation,
      replace.value.type == type
    {
      let operand = replace.value.operand
      let bytes = try OperandBytes.contents(of: operand, changes[0].adapter)
      let isFinite = !NonFinite.isPresent(in: bytes, of: type)
      (program, nonfiniteOperands) = (.bytes(bytes), isFinite ? [] : [operand.tensor])
    } else if type == .f64 || changes.contains(where: \.needsDouble) {
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
    case .bytes: false
    case .single(let program): program.needsMeasuring
    case .double(let program): program.needsMeasuring
    }
  }

  /// Looks at all of the parameter, in one pass.
  ///
  /// - Parameters:
  ///   - tiles: runs of rows that make up the parameter.
  ///   - read: gives the stored bytes of rows.
  /// - Throws: what `read` throws.
  package mutating func measure<Failure: Error>(
    tiles: [Range<Int>], _ read: (Range<Int>) throws(Failure) -> [UInt8]
  ) throws(Failure) {
    let scratch = TileScratch()
    switch program {
    case .bytes: break
    case .single(var program):
      try program.measure(grid, type, tiles: tiles, &scratch.single, read)
      self.program = .single(program)
    case .double(var program):
      try program.measure(grid, type, tiles: tiles, &scratch.double, read)
      self.program = .double(program)
    }
  }

  /// Changes a tile in place: widened once, changed by every operation, rounded once.
  ///
  /// - Parameters:
  ///   - tile: the stored bytes of the rows.
  ///   - rows: which rows of the stored matrix they are.
  ///   - scratch: the thread's own memory.
  package func apply(
    to tile: UnsafeMutableRawBufferPointer, rows: Range<Int>, scratch: TileScratch
  ) {
    switch program {
    case .bytes(let bytes):
      let width = grid.columns * type.bitWidth / 8
      unsafe tile.copyBytes(from: bytes[rows.lowerBound * width..<rows.upperBound * width])
    case .single(let program):
      unsafe program.apply(to: tile, type, grid, rows: rows, &scratch.single)
    case .double(let program):
      unsafe program.apply(to: tile, type, grid, rows: rows, &scratch.double)
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

  func apply(
    to bytes: UnsafeMutableRawBufferPointer, _ type: ElementType, _ grid: TileGrid,
    rows: Range<Int>, _ tile: inout Tile<Scalar>
  ) {
    let width = grid.columns * type.bitWidth / 8
    for part in grid.parts(of: rows) {
      let start = (part.lowerBound - rows.lowerBound) * width
      let piece = unsafe UnsafeMutableRawBufferPointer(
        rebasing: bytes[start..<start + part.count * width])
      unsafe widen(UnsafeRawBufferPointer(piece), type, grid, part, &tile)
      if changes.contains(where: \.needsOriginal) { tile.keepOriginal() }
      for change in changes { change.apply(to: &tile) }
      unsafe tile.values.withUnsafeBufferPointer { values in
        unsafe Scalar.round(
          UnsafeBufferPointer(rebasing: values[..<tile.count]), to: type, into: piece)
      }
    }
  }

  mutating func measure<Failure: Error>(
    _ grid: TileGrid, _ type: ElementType, tiles: [Range<Int>], _ tile: inout Tile<Scalar>,
    _ read: (Range<Int>) throws(Failure) -> [UInt8]
  ) throws(Failure) {
    var sums = changes.map { [Double](repeating: 0, count: $0.sumCount) }
    let width = grid.columns * type.bitWidth / 8
    for rows in tiles {
      let bytes = try read(rows)
      for part in grid.parts(of: rows) {
        let start = (part.lowerBound - rows.lowerBound) * width
        unsafe bytes.withUnsafeBytes { bytes in
          let piece = unsafe UnsafeRawBufferPointer(
            rebasing: bytes[start..<start + part.count * width])
          unsafe widen(piece, type, grid, part, &tile)
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
  ) {
    tile.move(to: rows, columns: grid.columns)
    let count = tile.count
    unsafe tile.values.withUnsafeMutableBufferPointer { values in
      unsafe Scalar.widen(
        bytes, of: type, into: UnsafeMutableBufferPointer(rebasing: values[..<count]))
    }
    for change in replacements { change.apply(to: &tile) }
  }
}

extension Adapters.Operation {
  /// Whether it gives values, whatever was there.
  package var isReplacement: Bool {
    switch self {
    case .replace, .replaceRows: true
    default: false
    }
  }
}
