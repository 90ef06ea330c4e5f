internal import AdapterFormat
public import Operations
internal import Storage

/// The spread of something about an operation's values: least, mean and greatest.
public struct ValueStatistics: Sendable, Hashable {
  /// The quantity that was measured.
  public let quantity: Quantity
  /// The least.
  public let minimum: Double
  /// The mean.
  public let mean: Double
  /// The greatest.
  public let maximum: Double

  /// A quantity that can be measured.
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

  /// Returns true if the adapter is worth the effort of looking at all of its values.
  public static func areWorthwhile(for adapter: Adapter) -> Bool {
    let efforts = adapter.operations.map { operation in
      operation.kind?.laws.manner.prompt == nil
        ? Effort(loading: operation, of: adapter, scalar: 8)
        : Effort(measuring: [operation], of: adapter)
    }
    return efforts.worthwhile(inputs: adapter.storedByteCount).allSatisfy(\.self)
  }

  /// Returns the statistics worth reporting for operations of one kind; none for those whose effect depends on more
  /// than their values.
  ///
  /// - Throws: `FormatError` where a tensor cannot be read.
  public static func all(
    of operations: [Operation], in adapter: Adapter
  ) throws -> [ValueStatistics] {
    var measured: [Quantity: Sums] = [:]
    for operation in operations { try measure(operation, adapter, &measured) }
    return Quantity.allCases.compactMap { quantity in
      measured[quantity].flatMap { $0.count == 0 ? nil : ValueStatistics(quantity, $0) }
    }
  }

  private static func measure(
    _ operation: Operation, _ adapter: Adapter, _ measured: inout [Quantity: Sums]
  ) throws {
    func values(_ operand: TypedOperand) throws -> [Double] {
      try OperandValues<Double>(operand.operand, of: adapter).values
    }
    func add(_ quantity: Quantity, _ values: some Sequence<Double>) {
      var sums = measured[quantity] ?? Sums()
      for value in values { sums.add(value) }
      measured[quantity] = sums
    }
    switch operation.kind?.measurable {
    case .factor(let vector, _):
      add(.distanceFromOne, try values(vector).lazy.map { abs($0 - 1) })
    case .elements(let delta, let scale):
      add(.size, try values(delta).lazy.map { abs($0 * scale) })
    case .values(let rows, areRows: true):
      add(.rowNorm, norms(try values(rows), rows.shape.dropFirst().reduce(1, *)))
    case .prompt(let prompt):
      switch prompt.form {
      case .embeddings: add(.rowNorm, norms(try values(prompt.values), prompt.values.shape[1]))
      case .keysAndValues(let headCount, let headDimension, let slots):
        let all = norms(try values(prompt.values), headDimension)
        let slotCount = prompt.values.shape[1] / (headCount * headDimension)
        func addSlot(_ slot: Int, _ quantity: Quantity) {
          for token in 0..<prompt.tokenCount {
            let start = (token * slotCount + slot) * headCount
            add(quantity, all[start..<start + headCount])
          }
        }
        for slot in slots { addSlot(slot.key, .keyNorm) }
        for slot in slots { addSlot(slot.value, .valueNorm) }
      }
    case .change, .values(_, areRows: false), .direction, .operands, nil: break
    }
  }

  private static func norms(_ values: [Double], _ width: Int) -> [Double] {
    guard width > 0 else { return [] }
    return stride(from: 0, to: values.count, by: width).map { start in
      values[start..<start + width].reduce(0) { $0 + $1 * $1 }.squareRoot()
    }
  }
}
