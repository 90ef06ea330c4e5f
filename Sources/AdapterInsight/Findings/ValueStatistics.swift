public import AdapterFormat
public import Operations
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

  /// The same, while values come.
  private struct Sums {
    private(set) var minimum = 0.0
    private(set) var maximum = 0.0
    private(set) var sum = 0.0
    private(set) var count = 0

    mutating func add(_ value: Double) {
      if count == 0 || value < minimum { minimum = value }
      if count == 0 || maximum < value { maximum = value }
      sum += value
      count += 1
    }
  }

  private init(_ quantity: Quantity, _ sums: Sums) {
    self.quantity = quantity
    minimum = sums.minimum
    maximum = sums.maximum
    mean = sums.sum / Double(sums.count)
  }

  /// Whether the adapter is worth looking at all of its values.
  public static func areWorthwhile(for adapter: Adapter) -> Bool {
    let efforts = adapter.operations.map { operation in
      PromptRows.sizes(operation) == nil
        ? Effort(loading: operation, of: adapter, scalar: 8)
        : Effort(measuring: [operation], of: adapter)
    }
    return efforts.worthwhile(inputs: adapter.storedByteCount).allSatisfy(\.self)
  }

  /// What is worth saying of operations of one kind; nothing of those whose effect depends on more than
  /// their values.
  ///
  /// - Throws: `FormatError` where a tensor cannot be read.
  public static func all(
    of operations: [Operation], in adapter: Adapter
  ) throws(FormatError) -> [ValueStatistics] {
    var measured: [Quantity: Sums] = [:]
    for operation in operations { try measure(operation, adapter, &measured) }
    return Quantity.allCases.compactMap { quantity in
      measured[quantity].flatMap { $0.count == 0 ? nil : ValueStatistics(quantity, $0) }
    }
  }

  private static func measure(
    _ operation: Operation, _ adapter: Adapter, _ measured: inout [Quantity: Sums]
  ) throws(FormatError) {
    func values(_ operand: TypedOperand) throws(FormatError) -> [Double] {
      try OperandValues<Double>(operand.operand, of: adapter).values
    }
    func add(_ quantity: Quantity, _ values: some Sequence<Double>) {
      var sums = measured[quantity] ?? Sums()
      for value in values { sums.add(value) }
      measured[quantity] = sums
    }
    switch operation {
    case .multiply(let multiply):
      add(.distanceFromOne, try values(multiply.vector).lazy.map { abs($0 - 1) })
    case .add(let change): add(.size, try values(change.delta).lazy.map { abs($0 * change.scale) })
    case .prependEmbeddings(let prompt):
      add(.rowNorm, norms(try values(prompt.values), prompt.values.shape[1]))
    case .replaceRows(let rows):
      add(.rowNorm, norms(try values(rows.values), rows.values.shape.dropFirst().reduce(1, *)))
    case .prependKV(let prefix):
      let all = norms(try values(prefix.values), prefix.headDimension)
      let heads = prefix.headCount
      let slotCount = prefix.values.shape[1] / (heads * prefix.headDimension)
      func addSlot(_ slot: Int, _ quantity: Quantity) {
        for token in 0..<prefix.tokenCount {
          let start = (token * slotCount + slot) * heads
          add(quantity, all[start..<start + heads])
        }
      }
      for slot in prefix.slots { addSlot(slot.key, .keyNorm) }
      for slot in prefix.slots { addSlot(slot.value, .valueNorm) }
    default: break
    }
  }

  private static func norms(_ values: [Double], _ width: Int) -> [Double] {
    guard width > 0 else { return [] }
    return stride(from: 0, to: values.count, by: width).map { start in
      values[start..<start + width].reduce(0) { $0 + $1 * $1 }.squareRoot()
    }
  }
}
