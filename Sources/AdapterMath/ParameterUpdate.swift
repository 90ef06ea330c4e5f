package import AdapterFormat
package import Adapters
package import Storage
package import StrictJSON

/// The operations on one parameter, their operands loaded: changes the parameter tile by tile.
///
/// A tile is a run of whole rows of the stored matrix. Tiles are independent, so that several threads
/// may work on one parameter.
package struct ParameterUpdate: Sendable {
  private let type: ElementType
  private let columns: Int
  private let terms: Terms
  /// The operands that hold a NaN or an infinity.
  package let nonfiniteOperands: [Name]

  /// Widened values that stay in a core's own cache from widening to rounding.
  private static let cachedElements = 1 << 17

  private enum Terms: Sendable {
    case single([LowRankTerm<Float>])
    case double([LowRankTerm<Double>])
  }

  /// Loads the operands.
  ///
  /// - Parameters:
  ///   - operations: what changes the parameter, in order, each with its adapter; layouts resolved.
  ///   - type: the parameter's stored type.
  ///   - shape: its shape as stored.
  /// - Throws: `FormatError` where operands cannot be read, or are damaged.
  package init(
    _ operations: [(operation: AddLowRank, adapter: Adapter)], type: ElementType, shape: Shape
  ) throws(FormatError) {
    self.type = type
    columns = shape.dimensions.last ?? 1
    let needsDouble =
      type == .f64
      || operations.contains { operation, adapter in
        [operation.a, operation.b].contains { adapter.tensor($0.tensor)?.type == .f64 }
      }
    if needsDouble {
      let loaded: [LowRankTerm<Double>] = try Self.load(operations)
      (terms, nonfiniteOperands) = (.double(loaded), loaded.flatMap(\.nonfiniteOperands))
    } else {
      let loaded: [LowRankTerm<Float>] = try Self.load(operations)
      (terms, nonfiniteOperands) = (.single(loaded), loaded.flatMap(\.nonfiniteOperands))
    }
  }

  private static func load<Scalar: ComputeScalar>(
    _ operations: [(operation: AddLowRank, adapter: Adapter)]
  ) throws(FormatError) -> [LowRankTerm<Scalar>] {
    var terms: [LowRankTerm<Scalar>] = []
    for (operation, adapter) in operations {
      terms.append(try LowRankTerm(operation, of: adapter))
    }
    return terms
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
    switch terms {
    case .single(let terms): unsafe apply(terms, to: tile, rows: rows, scratch)
    case .double(let terms): unsafe apply(terms, to: tile, rows: rows, scratch)
    }
  }

  private func apply<Scalar: ComputeScalar>(
    _ terms: [LowRankTerm<Scalar>], to tile: UnsafeMutableRawBufferPointer, rows: Range<Int>,
    _ scratch: TileScratch
  ) {
    let step = max(1, Self.cachedElements / max(1, columns))
    let rowBytes = columns * type.bitWidth / 8
    for start in stride(from: 0, to: rows.count, by: step) {
      let count = min(step, rows.count - start)
      let part = unsafe UnsafeMutableRawBufferPointer(
        rebasing: tile[start * rowBytes..<(start + count) * rowBytes])
      let values = unsafe scratch.values(of: Scalar.self, count: count * columns)
      let first = rows.lowerBound + start
      unsafe Scalar.widen(UnsafeRawBufferPointer(part), of: type, into: values)
      for term in terms {
        unsafe term.add(to: values, rows: first..<first + count, columns: columns)
      }
      unsafe Scalar.round(UnsafeBufferPointer(values), to: type, into: part)
    }
  }
}

/// scale · B · A with its factors in memory.
struct LowRankTerm<Scalar: ComputeScalar>: Sendable {
  private let a: [Scalar]
  private let b: [Scalar]
  private let scale: Scalar
  private let rank: Int
  private let inputCount: Int
  private let isTransposed: Bool
  let nonfiniteOperands: [Name]

  init(_ operation: AddLowRank, of adapter: Adapter) throws(FormatError) {
    let (left, right) = (
      try OperandValues<Scalar>(operation.a, of: adapter),
      try OperandValues<Scalar>(operation.b, of: adapter)
    )
    (a, b) = (left.values, right.values)
    nonfiniteOperands =
      (left.isFinite ? [] : [operation.a.tensor]) + (right.isFinite ? [] : [operation.b.tensor])
    scale = Scalar(operation.scale)
    rank = operation.rank
    inputCount = operation.inputCount
    switch operation.layout {
    case .outIn: isTransposed = false
    case .inOut: isTransposed = true
    case .unresolved: throw .unsupported("\(operation.target): a layout that nothing has decided")
    }
  }

  /// Adds the rows' part of the product.
  ///
  /// `out_in`: rows of W are rows of B; the tile is B[rows, :] · A, [rows, in].
  /// `in_out`: rows of Wᵀ are columns of A; the tile is A[:, rows]ᵀ · Bᵀ, [rows, out].
  func add(to values: UnsafeMutableBufferPointer<Scalar>, rows: Range<Int>, columns: Int) {
    guard rank > 0, !rows.isEmpty, columns > 0 else { return }
    unsafe a.withUnsafeBufferPointer { a in
      unsafe b.withUnsafeBufferPointer { b in
        guard let a = a.baseAddress, let b = b.baseAddress, let c = values.baseAddress else {
          return
        }
        let product = MatrixProduct(
          rows: rows.count, columns: columns, inner: rank,
          a: (isTransposed, isTransposed ? inputCount : rank),
          b: (isTransposed, isTransposed ? rank : inputCount))
        if isTransposed {
          unsafe Scalar.multiplyAdd(product, a + rows.lowerBound, b, scale: scale, into: c)
        } else {
          unsafe Scalar.multiplyAdd(product, b + rows.lowerBound * rank, a, scale: scale, into: c)
        }
      }
    }
  }
}
