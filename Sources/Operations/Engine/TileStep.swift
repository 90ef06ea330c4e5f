package import AdapterFormat
package import Storage

/// An operation's part in the change of one stored tensor, its operands loaded: how the engine has to apply it.
package enum TileStep<Scalar: ComputeScalar>: Sendable {
  /// The parameter is given values, before all else.
  case gives(any TileChange<Scalar>)
  /// Something is added to it: a stack's factor multiplies that.
  case adds(any TileAddition<Scalar>)
  /// It becomes something else: a stack's factor blends both.
  case transforms(any TileChange<Scalar>)
}

/// Makes other values of a parameter's, tile by tile, from any thread.
///
/// It is called through an existential, where the compiler does not know the type of arithmetic; so
/// every implementation asks to be specialised for both, or its loops would run thirty times slower.
package protocol TileChange<Scalar>: Sendable {
  associatedtype Scalar: ComputeScalar
  /// True if it reads the parameter as it was before all steps but replacements.
  var needsOriginal: Bool { get }
  /// How many sums over all of the parameter it needs before it can begin.
  var sumCount: Int { get }
  /// Adds a tile's part to the sums; the tile is as it was before all but replacements.
  func measure(_ tile: inout Tile<Scalar>, _ sums: inout [Double])
  /// Itself, with the sums known.
  func measured(_ sums: [Double]) -> Self
  /// Itself with a factor made part of it; nil where what it makes has to be blended with what was there.
  func weighted(by factor: Double) -> Self?
  /// Changes a tile.
  ///
  /// - Throws: `FormatError` where an operand that is not in memory cannot be read.
  func apply(to tile: inout Tile<Scalar>) throws
}

extension TileChange {
  package func weighted(by factor: Double) -> Self? { nil }
  package var needsOriginal: Bool { false }
  package var sumCount: Int { 0 }
  package func measure(_ tile: inout Tile<Scalar>, _ sums: inout [Double]) {}
  package func measured(_ sums: [Double]) -> Self { self }
}

/// Adds something to a parameter's values that does not depend on what came before it, tile by tile, from any thread;
/// its loops as those of a `TileChange`.
package protocol TileAddition<Scalar>: Sendable {
  associatedtype Scalar: ComputeScalar
  /// True if it reads the parameter as it was before all steps but replacements.
  var needsOriginal: Bool { get }
  /// Itself, where it is one product that can be added to rows as they are stored; nil where it cannot.
  var storedForm: StoredRowsAddition? { get }
  /// Adds a multiple of it to a tile.
  ///
  /// - Throws: `FormatError` where an operand that is not in memory cannot be read.
  func add(to tile: inout Tile<Scalar>, times factor: Double) throws
}

extension TileAddition {
  package var storedForm: StoredRowsAddition? { nil }
  package var needsOriginal: Bool { false }
}

/// Makes the result's bytes of the stored ones, whatever they mean, from any thread.
package protocol ByteProgram: Sendable {
  /// The operands that hold a NaN or an infinity.
  var nonfiniteOperands: [Operand] { get }
  /// Makes rows of the result.
  ///
  /// - Parameters:
  ///   - stored: the rows as the base stores them.
  ///   - result: takes those of the result; it may be the same memory.
  ///   - type: the element type of the result.
  ///   - grid: how the parameter is cut.
  ///   - rows: which rows they are.
  /// - Throws: `FormatError` where an operand cannot be read.
  func apply(
    _ stored: UnsafeRawBufferPointer, to result: UnsafeMutableRawBufferPointer, _ type: ElementType,
    _ grid: TileGrid, _ rows: Range<Int>
  ) throws
}
