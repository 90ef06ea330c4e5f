package import AdapterFormat
internal import Storage

/// An operation's part in the change of one stored tensor.
package struct ParameterChange: Sendable {
  /// The operation, its layout resolved.
  package let operation: Operation
  /// The adapter it belongs to.
  package let adapter: Adapter
  /// Which part of the operation, of which part of the tensor.
  package let part: Part
  /// How much of the change is made: W ← W + weight · (f(W) − W).
  package var weight: Double

  /// What of an operation acts on a stored tensor.
  package enum Part: Sendable, Hashable {
    /// All of it, on all of the target.
    case whole
    /// What it does to the bias beside its target.
    case bias
    /// Of a stack's change, that of one expert, and of it these rows: the tensor holds just them.
    case expert(Int, rows: Range<Int>)
    /// All of it, on these rows of the tensor, seen as a matrix.
    case region(rows: Range<Int>)
  }

  package init(
    _ operation: Operation, of adapter: Adapter, part: Part, weight: Double = 1
  ) {
    self.operation = operation
    self.adapter = adapter
    self.part = part
    self.weight = weight
  }

  /// Whether the tensor is seen as a stack of matrices.
  package var isStack: Bool {
    switch part {
    case .region: true
    case .whole: if case .addLowRank(let low) = operation { low.experts != nil } else { false }
    default: false
    }
  }

  /// Tiles begin at multiples of this many rows.
  package var rowAlignment: Int {
    if case .rotateOutput(let rotation) = operation { rotation.groupSize } else { 1 }
  }

  /// Whether an operand is F64, so that the arithmetic is too.
  package var needsDouble: Bool {
    operation.operands.contains { adapter.tensor($0.tensor)?.type == .f64 }
  }
}

/// An operation on a parameter with its operands in memory: changes it tile by tile, from any
/// thread.
///
/// It is called through an existential, where the compiler does not know the type of arithmetic; so
/// every implementation asks to be specialised for both, or its loops would run thirty times slower.
package protocol TileChange<Scalar>: Sendable {
  associatedtype Scalar: ComputeScalar
  /// Whether it reads the parameter as it was before all but replacements.
  var needsOriginal: Bool { get }
  /// How many sums over all of the parameter it needs before it can begin.
  var sumCount: Int { get }
  /// Adds a tile's part to the sums; the tile is as it was before all but replacements.
  func measure(_ tile: inout Tile<Scalar>, _ sums: inout [Double])
  /// Itself, with the sums known.
  func measured(_ sums: [Double]) -> Self
  /// Changes a tile.
  ///
  /// - Throws: `FormatError` where an operand that is not in memory cannot be read.
  func apply(to tile: inout Tile<Scalar>) throws(FormatError)
}

extension TileChange {
  package var needsOriginal: Bool { false }
  package var sumCount: Int { 0 }
  package func measure(_ tile: inout Tile<Scalar>, _ sums: inout [Double]) {}
  package func measured(_ sums: [Double]) -> Self { self }
}

/// Loads operands of one adapter, and keeps in mind which of them are not finite.
package struct OperandLoader {
  package let adapter: Adapter
  /// The weight of the change that they are for.
  package let weight: Double
  private(set) var nonfinite: [Operand] = []

  package init(_ adapter: Adapter, weight: Double = 1) {
    self.adapter = adapter
    self.weight = weight
  }

  /// A factor before a change, weighted.
  package func weighted<Scalar: ComputeScalar>(_ scale: Double) -> Scalar { Scalar(weight * scale) }

  /// Integers of type I32 or I64, of a whole tensor.
  package func integers(_ operand: TypedOperand) throws(FormatError) -> [Int] {
    let bytes = try adapter.contents(of: operand.operand.tensor)
    let width = operand.type.bitWidth / 8
    guard operand.operand.window == nil else {
      throw .unsupported("a window of \(operand.operand.tensor)")
    }
    return stride(from: 0, to: bytes.count, by: width).map { start in
      let bits = bytes[start..<start + width].reversed().reduce(0 as UInt64) {
        $0 << 8 | UInt64($1)
      }
      return width == 4
        ? Int(Int32(truncatingIfNeeded: bits)) : Int(truncatingIfNeeded: bits)
    }
  }

  /// An operand with an element for each of the parameter's.
  package mutating func run(_ operand: TypedOperand) throws(FormatError) -> OperandRun {
    let run = try OperandRun(operand, of: adapter)
    if !run.isFinite { nonfinite.append(operand.operand) }
    return run
  }

  package mutating func values<Scalar: ComputeScalar>(
    _ operand: TypedOperand
  ) throws(FormatError) -> [Scalar] {
    let loaded = try OperandValues<Scalar>(operand.operand, of: adapter)
    if !loaded.isFinite { nonfinite.append(operand.operand) }
    return loaded.values
  }
}
