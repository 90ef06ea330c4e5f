package import AdapterFormat
internal import Storage
internal import StrictJSON

/// What an operation on a weight means for the outputs y = W x of a linear layer, so that it can act
/// beside a weight that stays as it is.
package enum LayerOperation: Sendable {
  /// y ← y + scale · B (A x).
  case lowRank(Factors)
  /// y ← y ⊙ v.
  case scaleOutput([Float])
  /// y(x) ← y(x ⊙ v).
  case scaleInput([Float])

  /// The factors of a product, in F32.
  package struct Factors: Sendable {
    /// A, [r, in].
    package let a: [Float]
    /// Bᵀ, [r, out]: a row is what one of the r directions adds.
    package let transposedB: [Float]
    /// r.
    package let rank: Int
    /// in.
    package let inputCount: Int
    /// out.
    package let outputCount: Int
    /// What the product is multiplied with.
    package let scale: Float
    /// DoRA's norm of each output's weights after the change, [out].
    package let magnitude: [Float]?
  }

  /// Whether an operation has such a meaning; others have to be made part of the weight.
  package static func exists(for operation: Operation, part: ParameterChange.Part) -> Bool {
    guard part == .whole else { return false }
    switch operation {
    case .addLowRank(let low): return low.experts == nil && low.a.shape.count == 2
    case .multiply(let multiply): return !multiply.vector.shape.isEmpty
    default: return false
    }
  }

  /// Loads the operands of an operation for which `exists` is true.
  ///
  /// - Parameters:
  ///   - operation: bound to its base.
  ///   - adapter: whose operation it is.
  ///   - outputCount: rows of the logical weight [out, in].
  ///   - inputCount: its columns.
  /// - Throws: `FormatError` where operands cannot be read, are damaged, or are not finite.
  package init(
    _ operation: Operation, of adapter: Adapter, outputCount: Int, inputCount: Int
  ) throws(FormatError) {
    var loader = OperandLoader(adapter)
    switch operation {
    case .addLowRank(let low):
      self = .lowRank(try low.layerFactors(&loader, outputCount, inputCount))
    case .multiply(let multiply):
      let vector: [Float] = try loader.values(multiply.vector)
      guard vector.count == (multiply.side == .output ? outputCount : inputCount) else {
        throw .unsupported("\(multiply.weight.name): a vector of \(vector.count) elements")
      }
      self = multiply.side == .output ? .scaleOutput(vector) : .scaleInput(vector)
    default: throw .unsupported("\(operation.name) beside a layer")
    }
    if let operand = loader.nonfinite.first {
      throw .unsupported("\(operand.tensor): values that are not finite")
    }
  }
}

extension AddLowRank {
  fileprivate func layerFactors(
    _ loader: inout OperandLoader, _ outputCount: Int, _ inputCount: Int
  ) throws(FormatError) -> LayerOperation.Factors {
    try checkFactors(
      weight.name, rank: a.shape[0], self.inputCount + outputCount, of: outputCount * inputCount)
    var factors: LowRankFactors<Float> = try factors(&loader)
    if isWide { factors = factors.columns(0..<inputCount) }
    guard factors.inputCount == inputCount, factors.b.count == outputCount * factors.rank else {
      throw .unsupported("\(weight.name): factors of another shape")
    }
    var transposed = [Float](repeating: 0, count: factors.b.count)
    for output in 0..<outputCount {
      for direction in 0..<factors.rank {
        transposed[direction * outputCount + output] = factors.b[output * factors.rank + direction]
      }
    }
    return LayerOperation.Factors(
      a: factors.a, transposedB: transposed, rank: factors.rank, inputCount: inputCount,
      outputCount: outputCount, scale: Float(scale),
      magnitude: try magnitude.map { magnitude throws(FormatError) in try loader.values(magnitude) }
    )
  }
}
