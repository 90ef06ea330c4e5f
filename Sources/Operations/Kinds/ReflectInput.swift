package import AdapterFormat
package import Storage
package import StrictJSON

/// W ← W · ∏ (I − 2 u uᵀ) (Spec/operations/ReflectInput.md; HRA, arXiv:2405.17484).
public struct ReflectInput: Sendable, Hashable {
  /// The weight.
  public var target: Target
  /// u, [in, r]: a reflection for each column, which is normalised first.
  public var vectors: TypedOperand
  /// True if the columns are made orthogonal first (Gram–Schmidt).
  public var isOrthogonal: Bool

  /// Makes a change.
  public init(target: Target, vectors: TypedOperand, isOrthogonal: Bool) {
    self.target = target
    self.vectors = vectors
    self.isOrthogonal = isOrthogonal
  }
}

extension ReflectInput: TargetedKind {
  package static let op = "reflect_input"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (["u"], ["orthogonal"])

  package var extent: Extent { .matrix(output: nil, input: vectors.shape[0]) }

  package init(_ fields: OperationFields) throws(FormatError) {
    target = try fields.target()
    vectors = try fields.operand("u")
    isOrthogonal = try fields.flag("orthogonal")
  }

  /// [REF-1].
  package func fault() -> String? {
    guard vectors.type.isFloat, vectors.shape.count == 2 else {
      return "u \(vectors.shape) is not [in, r] of floats"
    }
    return !isOrthogonal || vectors.shape[1] <= vectors.shape[0]
      ? nil : "u \(vectors.shape) has more columns than can be orthogonal"
  }

  package var operands: [(role: Name, operand: Operand?)] { [("u", vectors.operand)] }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("orthogonal", isOrthogonal ? .boolean(true) : nil)]
  }

  package var summary: OperationSummary {
    OperationSummary(rank: vectors.shape[1], traits: isOrthogonal ? ["orthogonal"] : [])
  }

  package var laws: Laws { Laws(.rotates) }

  package var cost: Cost {
    let rank = Double(vectors.shape.last ?? 0)
    return Cost(
      perElement: 4 * rank + Cost.loop,
      ahead: Double(vectors.count) * (128 + (isOrthogonal ? rank * 16 : 0)))
  }

  package var measurable: Measurable { .operands }

  package var lowRank: (any LowRankKind)? { nil }

  package var layerKind: (any LayerKind)? { nil }

  package func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] {
    let (inputs, count) = (vectors.shape[0], vectors.shape[1])
    let values: [Double] = try operands.values(vectors)
    var done: [[Double]] = []
    for column in 0..<count {
      var vector = (0..<inputs).map { values[$0 * count + column] }
      if isOrthogonal {
        for other in done {
          let product = zip(vector, other).reduce(0) { $0 + $1.0 * $1.1 }
          for index in vector.indices { vector[index] -= product * other[index] }
        }
      }
      let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      guard norm > 0 else {
        throw AdapterError(.arithmetic, on: target.name, "a reflection without a direction")
      }
      done.append(vector.map { $0 / norm })
    }
    return [.transforms(try ReflectInputChange<Scalar>(done))]
  }
}

/// Each row of W: x ← x − 2 (x · u) u, for one u after the other.
private struct ReflectInputChange<Scalar: ComputeScalar>: TileChange {
  private let groups: [Reflections<Scalar>]

  /// Reflections that are made at once: their compact form takes its square, and a file can stand for very many.
  private static var groupSize: Int { 64 }

  /// Takes vectors of norm 1, each as long as a row.
  init(_ vectors: [[Double]]) throws(LinearAlgebraError) {
    var groups: [Reflections<Scalar>] = []
    for start in stride(from: 0, to: vectors.count, by: Self.groupSize) {
      let end = min(vectors.count, start + Self.groupSize)
      groups.append(try Reflections(Array(vectors[start..<end])))
    }
    self.groups = groups
  }

  func apply(to tile: inout Tile<Scalar>) {
    for group in groups { group.apply(to: &tile) }
  }
}

/// Some reflections at once: X ← X − (X · U) · T · Uᵀ, with T the upper triangle of the compact form of their product
/// (Schreiber and Van Loan, 1989).
private struct Reflections<Scalar: ComputeScalar>: Sendable {
  /// How many reflections.
  private let count: Int
  /// U, [in, r].
  private let vectors: RightFactor<Scalar>
  /// T · Uᵀ, [r, in].
  private let directions: RightFactor<Scalar>

  /// Takes vectors of norm 1, each as long as a row.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  init(_ vectors: [[Double]]) throws(LinearAlgebraError) {
    let (count, inputs) = (vectors.count, vectors.first?.count ?? 0)
    self.count = count
    var columns = [Scalar](repeating: 0, count: inputs * count)
    var triangle = [Double](repeating: 0, count: count * count)
    var products = [Double](repeating: 0, count: inputs * count)
    for (k, vector) in vectors.enumerated() {
      for index in 0..<inputs { columns[index * count + k] = Scalar(vector[index]) }
      // T[:k, k] = −2 · T[:k, :k] · (Uᵀ u), T[k, k] = 2.
      let overlaps = vectors[..<k].map { zip($0, vector).reduce(0) { $0 + $1.0 * $1.1 } }
      for row in 0..<k {
        triangle[row * count + k] =
          -2 * (row..<k).reduce(0) { $0 + triangle[row * count + $1] * overlaps[$1] }
      }
      triangle[k * count + k] = 2
      for row in 0...k {
        let factor = triangle[row * count + k]
        for index in 0..<inputs { products[row * inputs + index] += factor * vector[index] }
      }
    }
    self.vectors = try RightFactor(columns, rows: inputs)
    directions = try RightFactor(products.map(Scalar.init), rows: count)
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func apply(to tile: inout Tile<Scalar>) {
    let (rows, columns) = (tile.rows.count, tile.columns)
    var parts = [Scalar](repeating: 0, count: rows * count)
    unsafe parts.withUnsafeMutableBufferPointer { parts in
      unsafe tile.values.withUnsafeMutableBufferPointer { values in
        guard let y = parts.baseAddress, let x = values.baseAddress else { return }
        unsafe vectors.multiplyAdd(x, leftStride: columns, count: rows, into: y, stride: count)
        unsafe directions.multiplyAdd(
          y, leftStride: count, scale: -1, count: rows, into: x, stride: columns)
      }
    }
  }
}
