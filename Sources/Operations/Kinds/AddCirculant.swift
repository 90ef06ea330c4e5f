package import AdapterFormat
package import Storage
package import StrictJSON

/// W ← W + a matrix of circulant blocks (Spec/operations/AddCirculant.md; C3A, arXiv:2407.19342).
public struct AddCirculant: Sendable, Hashable {
  /// The weight.
  public var target: Target
  /// [out / b, in / b, b].
  public var kernel: TypedOperand

  /// Makes a change.
  public init(target: Target, kernel: TypedOperand) {
    self.target = target
    self.kernel = kernel
  }
}

extension AddCirculant: TargetedKind {
  package static let op = "add_circulant"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (["kernel"], [])

  package var extent: Extent {
    .matrix(output: kernel.shape[0] * kernel.shape[2], input: kernel.shape[1] * kernel.shape[2])
  }

  package init(_ fields: OperationFields) throws(FormatError) {
    target = try fields.target()
    kernel = try fields.operand("kernel")
  }

  /// [CIR-1].
  package func fault() -> String? {
    let (shape, isFloat) = (kernel.shape, kernel.type.isFloat)
    guard isFloat, shape.count == 3, !shape.contains(0), checkedProduct(shape) != nil else {
      return "kernel \(shape) is not [out / b, in / b, b] of floats"
    }
    return nil
  }

  package var operands: [(role: Name, operand: Operand?)] { [("kernel", kernel.operand)] }

  package var attributes: [(key: Name, value: JSONValue?)] { [] }

  package var summary: OperationSummary {
    OperationSummary(traits: ["blocks of \(kernel.shape.last ?? 0)"])
  }

  package var laws: Laws { Laws(.adds) }

  package var cost: Cost { Cost(perElement: 4 * Cost.loop) }

  package var measurable: Measurable { .change }

  package var lowRank: (any LowRankKind)? { nil }

  package var layerKind: (any LayerKind)? { nil }

  package func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] {
    let values: [Double] = try operands.values(kernel)
    let inputs = Double(kernel.shape[1] * kernel.shape[2])
    return [
      .adds(
        CirculantChange(kernel: values.map { Scalar($0 / inputs) }, size: kernel.shape[2]))
    ]
  }
}

/// W[o, i] ← W[o, i] + kernel[o / b, i / b, (i − o) mod b] / in.
private struct CirculantChange<Scalar: ComputeScalar>: TileAddition {
  /// Already divided.
  let kernel: [Scalar]
  let size: Int

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func add(to tile: inout Tile<Scalar>, times factor: Double) {
    let factor = Scalar(factor)
    for (index, row) in tile.rows.enumerated() {
      let first = row / size * tile.columns
      for column in 0..<tile.columns {
        let place = (column + size - row % size) % size
        tile.values[index * tile.columns + column] +=
          factor * kernel[first + column / size * size + place]
      }
    }
  }
}
