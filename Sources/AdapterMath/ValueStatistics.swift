public import AdapterFormat
public import Adapters
internal import Storage

/// The spread of something about an operation's values: least, mean and greatest.
public struct ValueStatistics: Sendable, Hashable {
  /// What was measured.
  public let quantity: Quantity
  /// The least.
  public let minimum: Double
  /// The mean.
  public let mean: Double
  /// The greatest.
  public let maximum: Double

  /// What there is to measure.
  public enum Quantity: String, Sendable, Hashable, CaseIterable {
    /// |v − 1|, of every factor of `multiply`: zero changes nothing.
    case distanceFromOne = "distance_from_one"
    /// |scale · δ|, of every element of `add`.
    case size
    /// ‖row‖₂, of every row of `prepend_embeddings` and `replace_rows`.
    case rowNorm = "row_norm"
    /// ‖key‖₂, of every layer, token and head of `prepend_kv`.
    case keyNorm = "key_norm"
    /// ‖value‖₂, of the same.
    case valueNorm = "value_norm"
  }

  private init?(_ quantity: Quantity, _ values: [Double]) {
    guard let minimum = values.min(), let maximum = values.max() else { return nil }
    self.quantity = quantity
    self.minimum = minimum
    self.maximum = maximum
    mean = values.reduce(0, +) / Double(values.count)
  }

  /// What is worth saying of operations of one kind; nothing of those whose effect depends on more than
  /// their values.
  ///
  /// - Throws: `FormatError` where a tensor cannot be read.
  public static func all(
    of operations: [Adapters.Operation], in adapter: Adapter
  ) throws(FormatError) -> [ValueStatistics] {
    var measured: [Quantity: [Double]] = [:]
    for operation in operations {
      for (quantity, values) in try measure(operation, adapter) {
        measured[quantity, default: []] += values
      }
    }
    return Quantity.allCases.compactMap { quantity in
      measured[quantity].flatMap { ValueStatistics(quantity, $0) }
    }
  }

  private static func measure(
    _ operation: Adapters.Operation, _ adapter: Adapter
  ) throws(FormatError) -> [(Quantity, [Double])] {
    func values(_ operand: TypedOperand) throws(FormatError) -> [Double] {
      try OperandValues<Double>(operand.operand, of: adapter).values
    }
    switch operation {
    case .multiply(let multiply):
      return [(.distanceFromOne, try values(multiply.vector).map { abs($0 - 1) })]
    case .add(let add): return [(.size, try values(add.delta).map { abs($0 * add.scale) })]
    case .prependEmbeddings(let prompt):
      return [(.rowNorm, norms(try values(prompt.values), prompt.values.shape[1]))]
    case .replaceRows(let rows):
      return [
        (.rowNorm, norms(try values(rows.values), rows.values.shape.dropFirst().reduce(1, *)))
      ]
    case .prependKV(let prefix):
      let all = norms(try values(prefix.values), prefix.headDimension)
      let heads = prefix.headCount
      let slotCount = prefix.values.shape[1] / (heads * prefix.headDimension)
      func of(_ slot: Int) -> [Double] {
        (0..<prefix.tokenCount).flatMap { token -> ArraySlice<Double> in
          let start = (token * slotCount + slot) * heads
          return all[start..<start + heads]
        }
      }
      return [
        (.keyNorm, prefix.slots.flatMap { of($0.key) }),
        (.valueNorm, prefix.slots.flatMap { of($0.value) }),
      ]
    default: return []
    }
  }

  private static func norms(_ values: [Double], _ width: Int) -> [Double] {
    guard width > 0 else { return [] }
    return stride(from: 0, to: values.count, by: width).map { start in
      values[start..<start + width].reduce(0) { $0 + $1 * $1 }.squareRoot()
    }
  }
}
