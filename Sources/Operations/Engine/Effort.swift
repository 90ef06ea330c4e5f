package import AdapterFormat
internal import Storage

/// About how much work and memory something takes, told from shapes alone, before anything is read. A file of a
/// few bytes can stand for tensors that are a thousand times as long, and an operation for a weight that is longer
/// again; so what such a file is worth is settled first.
package struct Effort: Sendable {
  /// In multiplications of a matrix product, of which a processor does some ten in a nanosecond.
  package var work = 0.0
  /// Bytes that are in memory at the same time.
  package var bytes = 0.0

  package init() {}

  package static func + (left: Effort, right: Effort) -> Effort {
    var sum = Effort()
    sum.work = left.work + right.work
    sum.bytes = left.bytes + right.bytes
    return sum
  }
}

extension Effort {
  /// A byte that is read, checked, decoded and widened.
  private static let decoding = 64.0
  /// The work that inputs below a mebibyte are worth: some seconds.
  private static let freeWork = 0x1p36
  private static let freeInput = 0x1p20
  /// The work that every byte beyond that is worth: more than trained adapters ever need.
  private static let workPerByte = 0x1p18

  /// Bytes that one thread may take for nothing.
  package static let freeMemory = 0x3p24

  /// The most work that inputs of so many bytes are worth.
  package static func limit(inputs: UInt64) -> Double {
    freeWork + workPerByte * max(0, Double(inputs) - freeInput)
  }

  /// Loading the operands of an operation as numbers of so many bytes.
  package init(loading operation: Operation, of adapter: Adapter, scalar: Double) {
    for operand in operation.operands {
      guard let info = adapter.tensor(operand.tensor) else { continue }
      let count = operand.window?.map { Double($0.count) }.reduce(1, *) ?? Double(info.shape.count)
      work += Self.decoding * Double(info.byteCount)
      // The tensor as it is restored, and as numbers, whole first and then in its window.
      bytes += Double(info.byteCount) + scalar * Double(info.shape.count)
      if operand.window != nil { bytes += scalar * count }
    }
  }
}

extension BoundOperation {
  /// Returns the effort of changing a tensor of so many elements.
  package func effort(elements: Int) -> Effort {
    var effort = Effort(loading: operation, of: adapter, scalar: needsDouble ? 8 : 4)
    guard let cost = operation.kind?.cost else { return effort }
    effort.work += cost.perElement * Double(elements) + cost.ahead
    return effort
  }
}

extension [BoundOperation] {
  /// The work of changing a tensor. Changes that take more memory than the adapters' files and the tensor are worth are
  /// refused.
  ///
  /// - Parameters:
  ///   - elements: how many the tensor has.
  ///   - name: of the tensor.
  /// - Throws: `FormatError.excess`.
  /// - Returns: the work, as `Effort` has it.
  package func checkedWork(elements: Int, of name: String) throws(FormatError) -> Double {
    let effort = reduce(Effort()) { $0 + $1.effort(elements: elements) }
    // Most changes end here. The size of an adapter that is not an .adp file is a sum over its tensors.
    guard effort.bytes > Effort.freeMemory else { return effort.work }
    let files = reduce(0) { Swift.max($0, Double($1.adapter.storedByteCount)) }
    guard effort.bytes <= Effort.freeMemory + 8 * files + 112 * Double(elements) else {
      throw .excess("what is done to \(name) needs \(Int(effort.bytes.rounded())) bytes at once")
    }
    return effort.work
  }
}
