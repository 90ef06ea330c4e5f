package import AdapterFormat
package import Storage
package import StrictJSON

/// W ← W ⊙ v along the output or the input axis (Spec/adp-v1.md, section 8.2; IA3, arXiv:2205.05638,
/// section 3.3).
public struct Multiply: Sendable, Hashable {
  /// The weight.
  public var target: Target
  /// v: a vector, of any shape with one dimension that is not 1.
  public var vector: TypedOperand
  /// Which axis of the logical weight it scales.
  public var side: Side
  /// True if it also scales the bias beside the weight, where the base has one.
  public var scalesBias: Bool

  /// An axis of the logical weight [out, in].
  public enum Side: String, Sendable, Hashable, CaseIterable {
    /// Rows.
    case output
    /// Columns. Of a grouped convolution, [out, in / g, k, …], each group of rows has its own part
    /// of the vector.
    case input
  }

  /// Makes a scaling.
  public init(target: Target, vector: TypedOperand, side: Side, scalesBias: Bool) {
    self.target = target
    self.vector = vector
    self.side = side
    self.scalesBias = scalesBias
  }
}

extension Multiply: TargetedKind {
  package static let op = "multiply"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (
    ["v"], ["side", "bias"] + layoutKeys
  )

  package var extent: Extent { .axis(vector.count, side) }

  package init(_ fields: OperationFields) throws(FormatError) {
    target = try fields.matrixTarget()
    vector = try fields.operand("v")
    side = try fields.word("side")
    scalesBias = try fields.flag("bias")
  }

  /// [MUL-1] and [MUL-2].
  package func fault() -> String? {
    guard vector.type.isFloat, vector.isVector else {
      return "v \(vector.shape) \(vector.type.rawValue) is not a vector of floats"
    }
    return scalesBias && side == .input ? "the input side has no bias" : nil
  }

  package var operands: [(role: Name, operand: Operand?)] { [("v", vector.operand)] }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("side", .string(side.rawValue)), ("bias", scalesBias ? .boolean(true) : nil)]
  }

  package var summary: OperationSummary {
    OperationSummary(traits: [side.rawValue + (scalesBias ? " and bias" : "")])
  }

  package var laws: Laws {
    var laws = Laws(.transforms)
    laws.biasCount = scalesBias ? vector.count : nil
    laws.neutral = .init(operand: vector, value: .one)
    return laws
  }

  package var cost: Cost { .loop() }

  package var measurable: Measurable { .factor(vector, side) }

  package var lowRank: (any LowRankKind)? { nil }

  package var layerKind: (any LayerKind)? { vector.shape.isEmpty ? nil : self }

  package func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] {
    let values: [Scalar] = try operands.values(vector)
    let layout = try target.decidedLayout()
    guard part != .bias, (side == .output) != (layout == .outIn) else {
      return [.transforms(MultiplyChange(vector: values, axis: .rows))]
    }
    // The stored matrix's columns: inputs and kernel positions, or, transposed, outputs.
    let dimensions = shape.dimensions
    let channels = max(1, dimensions[1])
    let groups = max(1, values.count / channels)
    let axis = MultiplyChange<Scalar>.Axis.columns(
      width: max(1, dimensions.dropFirst(2).reduce(1, *)), part: channels,
      rowsOfGroup: max(1, dimensions[0] / groups))
    return [.transforms(MultiplyChange(vector: values, axis: axis))]
  }
}

extension Multiply: LayerKind {
  package func form(
    _ operands: inout OperandLoader, outputCount: Int, inputCount: Int
  ) throws -> LayerForm {
    let values: [Float] = try operands.values(vector)
    guard values.count == (side == .output ? outputCount : inputCount) else {
      throw AdapterError(
        .misuse, on: target.name,
        "a vector of \(values.count) elements for a layer [\(outputCount), \(inputCount)]")
    }
    return side == .output ? .scaleOutput(values) : .scaleInput(values)
  }
}

/// W ← W ⊙ v along one axis of the stored matrix.
private struct MultiplyChange<Scalar: ComputeScalar>: TileChange {
  /// Which element of v belongs to an element of the matrix: v[row / rowsOfGroup · part + column /
  /// width], or v[row] where the rows are scaled.
  enum Axis {
    case rows
    case columns(width: Int, part: Int, rowsOfGroup: Int)
  }

  let vector: [Scalar]
  let axis: Axis

  /// v becomes (1 − w) + w · v ([STK-2]).
  func weighted(by factor: Double) -> Self? {
    MultiplyChange(
      vector: vector.map { Scalar((1 - factor) + factor * Double($0)) }, axis: axis)
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func apply(to tile: inout Tile<Scalar>) {
    for row in 0..<tile.rows.count {
      let start = row * tile.columns
      switch axis {
      case .rows:
        let factor = vector[tile.rows.lowerBound + row]
        for index in start..<start + tile.columns { tile.values[index] *= factor }
      case .columns(let width, let part, let rowsOfGroup):
        let first = (tile.rows.lowerBound + row) / rowsOfGroup * part
        for column in 0..<tile.columns {
          tile.values[start + column] *= vector[first + column / width]
        }
      }
    }
  }
}
