internal import StrictJSON
internal import AdapterFormat
internal import Storage

/// An operation that has a meaning for the outputs y = W x of a linear layer, so that it can act beside a weight that
/// stays as it is.
package protocol LayerKind: Sendable {
  /// Loads its operands for a layer.
  ///
  /// - Parameters:
  ///   - operands: loads them.
  ///   - outputCount: rows of the logical weight [out, in].
  ///   - inputCount: its columns.
  /// - Throws: `FormatError` where operands cannot be read or are damaged, `AdapterError` where they do not fit.
  /// - Returns: how it acts on the layer's outputs.
  func form(
    _ operands: inout OperandLoader, outputCount: Int, inputCount: Int
  ) throws -> LayerForm
}

/// How an operation acts on the outputs of a linear layer.
package enum LayerForm: Sendable {
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
    /// The factor of the product.
    package let scale: Float
    /// DoRA's norm of each output's weights after the change, [out].
    package let magnitude: [Float]?
  }

  /// Loads the form of an operation that has one.
  ///
  /// - Parameters:
  ///   - kind: the operation, bound to its base.
  ///   - adapter: whose operation it is.
  ///   - outputCount: rows of the logical weight [out, in].
  ///   - inputCount: its columns.
  /// - Throws: as `LayerKind.form`, and `AdapterError` where operands are not finite.
  package init(
    _ kind: any LayerKind, of adapter: Adapter, outputCount: Int, inputCount: Int
  ) throws {
    var operands = OperandLoader(adapter)
    self = try kind.form(&operands, outputCount: outputCount, inputCount: inputCount)
    if let operand = operands.nonfinite.first {
      throw AdapterError(
        .arithmetic, on: operand.tensor, "a NaN or an infinity")
    }
  }
}

extension LayerForm.Factors {
  /// The factors with B transposed.
  init(_ factors: LowRankFactors<Float>, outputCount: Int, magnitude: [Float]?) {
    var transposed = [Float](repeating: 0, count: factors.b.count)
    for output in 0..<outputCount {
      for direction in 0..<factors.rank {
        transposed[direction * outputCount + output] = factors.b[output * factors.rank + direction]
      }
    }
    self.init(
      a: factors.a, transposedB: transposed, rank: factors.rank, inputCount: factors.inputCount,
      outputCount: outputCount, scale: Float(factors.scale), magnitude: magnitude)
  }
}
