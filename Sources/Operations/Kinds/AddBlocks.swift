package import AdapterFormat
package import Storage
package import StrictJSON

/// W ← W + a small matrix repeated over it, or a change of each square block (Spec/operations/AddBlocks.md; MiSS, arXiv:2409.15371).
public struct AddBlocks: Sendable, Hashable {
  /// The weight.
  public var target: Target
  /// [r, q], or [out / r, r, r] for blocks that also multiply.
  public var blocks: TypedOperand
  /// True if the columns are repeated over the outputs; false if q = out.
  public var isTiled: Bool

  /// Makes a change.
  public init(target: Target, blocks: TypedOperand, isTiled: Bool) {
    self.target = target
    self.blocks = blocks
    self.isTiled = isTiled
  }
}

extension AddBlocks: TargetedKind {
  package static let op = "add_blocks"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (["m"], ["tiled"])

  package var extent: Extent {
    guard blocks.shape.count == 3 else {
      return .matrix(output: isTiled ? nil : blocks.shape.last, input: nil, isFlat: true)
    }
    return .matrix(
      output: blocks.shape[0] * blocks.shape[1], input: nil, inputMultiple: blocks.shape[1],
      isFlat: true)
  }

  package init(_ fields: OperationFields) throws(FormatError) {
    target = try fields.target()
    blocks = try fields.operand("m")
    isTiled = try fields.flag("tiled")
  }

  /// [BLO-1].
  package func fault() -> String? {
    guard blocks.type.isFloat, !blocks.shape.contains(0) else { return "m is not of floats" }
    switch blocks.shape.count {
    case 2: return nil
    case 3 where !isTiled && blocks.shape[1] == blocks.shape[2]: return nil
    default: return "m \(blocks.shape) is not [r, out] or [out / r, r, r]"
    }
  }

  package var operands: [(role: Name, operand: Operand?)] { [("m", blocks.operand)] }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("tiled", isTiled ? .boolean(true) : nil)]
  }

  package var summary: OperationSummary {
    OperationSummary(
      rank: blocks.shape[blocks.shape.count - 2],
      traits: blocks.shape.count == 3 ? ["multiplies"] : [])
  }

  /// True if the blocks multiply the weight's own blocks.
  private var multiplies: Bool { blocks.shape.count == 3 }

  package var laws: Laws { Laws(multiplies ? .transforms : .adds) }

  package var cost: Cost {
    Cost(perElement: Cost.loop + (multiplies ? Double(blocks.shape[1]) : Cost.loop))
  }

  package var measurable: Measurable { multiplies ? .operands : .change }

  package var lowRank: (any LowRankKind)? { nil }

  package var layerKind: (any LayerKind)? { nil }

  package func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] {
    let values: [Scalar] = try operands.values(blocks)
    return multiplies
      ? [.transforms(try BlockProductChange(blocks: values, size: blocks.shape[1]))]
      : [.adds(RepeatedChange(values: values, height: blocks.shape[0], width: blocks.shape[1]))]
  }
}

/// W[o, i] ← W[o, i] + m[i mod r, o mod q].
private struct RepeatedChange<Scalar: ComputeScalar>: TileAddition {
  let values: [Scalar]
  let height: Int
  let width: Int

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func add(to tile: inout Tile<Scalar>, times factor: Double) {
    let factor = Scalar(factor)
    for (index, row) in tile.rows.enumerated() {
      for column in 0..<tile.columns {
        tile.values[index * tile.columns + column] +=
          factor * values[column % height * width + row % width]
      }
    }
  }
}

/// Each r × r block: W ← W + W · m + m, one m for all blocks of the same outputs.
private struct BlockProductChange<Scalar: ComputeScalar>: TileChange {
  /// m of all blocks, one after the other.
  private let blocks: [Scalar]
  private let size: Int
  private let factors: [RightFactor<Scalar>]

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  init(blocks: [Scalar], size: Int) throws(LinearAlgebraError) {
    (self.blocks, self.size) = (blocks, size)
    var factors: [RightFactor<Scalar>] = []
    for start in stride(from: 0, to: blocks.count, by: size * size) {
      factors.append(try RightFactor(Array(blocks[start..<start + size * size]), rows: size))
    }
    self.factors = factors
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func apply(to tile: inout Tile<Scalar>) {
    tile.makeRoomForProducts()
    let columns = tile.columns
    for (index, output) in tile.rows.enumerated() {
      for start in stride(from: index * columns, to: (index + 1) * columns, by: size) {
        for column in 0..<size { tile.product[start + column] = blocks[output * size + column] }
      }
    }
    unsafe tile.values.withUnsafeBufferPointer { values in
      unsafe tile.product.withUnsafeMutableBufferPointer { product in
        guard let x = values.baseAddress, let y = product.baseAddress else { return }
        var row = tile.rows.lowerBound
        while row < tile.rows.upperBound {
          let block = row / size
          let end = min(tile.rows.upperBound, (block + 1) * size)
          let first = (row - tile.rows.lowerBound) * columns
          for start in stride(from: first, to: first + columns, by: size) {
            unsafe factors[block].multiplyAdd(
              x + start, leftStride: columns, count: end - row, into: y + start, stride: columns)
          }
          row = end
        }
      }
    }
    for index in 0..<tile.count { tile.values[index] += tile.product[index] }
  }
}
