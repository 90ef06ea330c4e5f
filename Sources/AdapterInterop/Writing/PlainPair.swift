internal import AdapterFormat
internal import Operations
internal import Storage

/// A low-rank change as formats hold it that have A, B and one number: what stands between and beside the two is
/// multiplied into B, blocks are written out, and an A that is wider than the weight is cut.
///
/// Everything is worked out in F64 and rounded once, to F32 at least.
struct PlainPair: Sendable {
  let low: AddLowRank
  /// A factor that is multiplied into B.
  var factor = 1.0
  /// Columns of the logical weight.
  let inputCount: Int
  let adapter: Adapter

  /// - Throws: `InteropError` where A is wider than the weight, and nothing says how wide that is.
  init(_ low: AddLowRank, of adapter: Adapter) throws(InteropError) {
    (self.low, self.adapter) = (low, adapter)
    guard low.isWide else {
      inputCount = low.inputCount
      return
    }
    guard let width = low.inputWidth, width <= low.inputCount else {
      throw InteropError(
        .notExpressible, at: .operation(AddLowRank.op, on: low.target.name),
        "its A is wider than the weight, whose shape is not recorded")
    }
    inputCount = width
  }

  var outputCount: Int { low.outputCount }
  var parameterCount: Int { low.a.count + low.b.count }
  /// A's shape, of a kernel with its positions.
  var aShape: [Int] { low.a.shape.count > 2 ? low.a.shape : [low.rank, inputCount] }
  /// B's shape: of a kernel with a 1 for each of its dimensions.
  var bShape: [Int] {
    [outputCount, low.rank] + Array(repeating: 1, count: max(0, low.a.shape.count - 2))
  }

  private var isAAsStored: Bool { low.aBlocks == 1 && inputCount == low.inputCount }
  private var isBAsStored: Bool {
    factor == 1 && low.diagonal == nil && low.rowScale == nil && low.bBlocks == 1
  }

  var aType: ElementType { isAAsStored ? low.a.type : Self.atLeastF32(low.a.type) }
  var bType: ElementType { isBAsStored ? low.b.type : Self.atLeastF32(low.b.type) }

  private static func atLeastF32(_ type: ElementType) -> ElementType { type == .f64 ? .f64 : .f32 }

  /// True if B's numbers are rounded; a power of two is exact.
  var rounds: Bool {
    low.diagonal != nil || low.rowScale != nil
      || (factor != 1 && factor.significand.magnitude != 1 && factor != 0)
  }

  /// A [r, in], row-major, of `aType`.
  func aBytes() throws -> [UInt8] {
    isAAsStored
      ? try OperandBytes.contents(of: low.a.operand, adapter)
      : try aValues().rounded(to: aType)
  }

  /// B [out, r], row-major, of `bType`.
  func bBytes() throws -> [UInt8] {
    isBAsStored
      ? try OperandBytes.contents(of: low.b.operand, adapter)
      : try bValues().rounded(to: bType)
  }

  /// A [r, in].
  func aValues() throws -> [Double] {
    let stored = try values(low.a)
    guard !isAAsStored else { return stored }
    let width = low.a.shape.dropFirst().reduce(1, *)
    return Self.spread(
      stored, rows: low.rank, width: width, blocks: low.aBlocks, columns: inputCount)
  }

  /// row_scale ⊙ B · diag(diagonal) · factor, [out, r].
  func bValues() throws -> [Double] {
    let stored = try values(low.b)
    var result = Self.spread(
      stored, rows: outputCount, width: low.b.shape[1], blocks: low.bBlocks, columns: low.rank)
    guard !isBAsStored else { return result }
    let diagonal = try low.diagonal.map { try values($0) }
    let rowScale = try low.rowScale.map { try values($0) }
    for row in 0..<outputCount {
      for column in 0..<low.rank {
        result[row * low.rank + column] *=
          factor * (diagonal?[column] ?? 1) * (rowScale?[row] ?? 1)
      }
    }
    return result
  }

  private func values(_ operand: TypedOperand) throws -> [Double] {
    try OperandValues<Double>(operand.operand, of: adapter).values
  }

  /// A matrix whose rows are in so many groups, each with columns of its own, written out; columns beyond are cut.
  private static func spread(
    _ stored: [Double], rows: Int, width: Int, blocks: Int, columns: Int
  ) -> [Double] {
    guard blocks > 1 || width != columns else { return stored }
    var result = [Double](repeating: 0, count: rows * columns)
    let rowsOfBlock = max(1, rows / blocks)
    for row in 0..<rows {
      let start = row / rowsOfBlock * width
      for column in 0..<min(width, columns - start) {
        result[row * columns + start + column] = stored[row * width + column]
      }
    }
    return result
  }
}

extension [PlainPair] {
  /// Returns the value that the most parameters have; the first one if several tie.
  func usual<Value: Hashable>(_ value: (PlainPair) -> Value) -> Value? {
    mostCommon(map { (value($0), $0.parameterCount) })
  }
}

/// The value with the largest sum of counts; of several the first.
func mostCommon<Value: Hashable>(_ entries: [(value: Value, count: Int)]) -> Value? {
  var counts: [Value: Int] = [:]
  for entry in entries { counts[entry.value, default: 0] += entry.count }
  let most = counts.values.max()
  return entries.first { counts[$0.value] == most }?.value
}
