internal import AdapterFormat
internal import Operations
internal import Storage

// MARK: - Measuring a change

extension Effort {
  /// Measuring what operations on one parameter do, as `TargetEffect` does.
  init(measuring operations: [Operation], of adapter: Adapter) {
    self.init()
    for operation in operations {
      self = self + Effort(loading: operation, of: adapter, scalar: 8)
    }
    if let prompt = operations.first?.kind?.laws.manner.prompt {
      let rows = PromptRows.sizes(prompt)
      bytes += 32 * rows.elements + 128 * rows.count
      work += Cost.loop * rows.elements
      return
    }
    let products = operations.compactMap(\.kind?.lowRank?.product).filter {
      $0.isChange || $0.experts == nil
    }
    let shape = operations.first?.logicalShape?.dimensions ?? []
    let smallest = Double(shape.suffix(2).min() ?? 0)
    let isProduct = products.count == operations.count && !products.isEmpty
    let experts = shape.count == 3 ? Double(max(1, shape[0])) : 1
    let rank = products.reduce(0) { $0 + Double($1.rank) }
    let size = products.map { Double($0.outputCount) + Double($0.inputCount) }.max() ?? 0
    // The factors, and where they are large against the weight no more than these.
    if !products.isEmpty { bytes += 8 * experts * rank * size }
    if isProduct, rank <= 2 * smallest || shape.isEmpty {
      // QR of both factors, in copies of them; the singular values of the core.
      bytes += experts * (16 * rank * size + 24 * rank * rank)
      work += experts * (2 * rank * rank * size + 20 * rank * rank * rank)
      return
    }
    guard operations.allSatisfy(\.isChange), shape.count >= 2 else { return }
    let elements = shape.reduce(1) { $0 * Double($1) }
    work += operations.compactMap(\.kind?.cost).reduce(0) {
      $0 + $1.perElement * elements + $1.ahead
    }
    if elements <= Double(AdditiveEffect.maximumDenseCount) {
      bytes += 32 * elements
      work += 4 * elements * smallest
    }
  }
}

extension [Effort] {
  /// Which of these inputs of so many bytes are worth: none that needs too much memory, and of the others those
  /// with the least work, as many as it takes. Those with the same work are all of them in or all of them out.
  func worthwhile(inputs: UInt64) -> [Bool] {
    let memory = Effort.freeMemory + 28 * Double(inputs)
    var counts: [Double: Int] = [:]
    for effort in self where effort.bytes <= memory { counts[effort.work, default: 0] += 1 }
    let limit = Effort.limit(inputs: inputs)
    var (sum, most) = (0.0, -1.0)
    for (work, count) in counts.sorted(by: { $0.key < $1.key }) {
      sum += work * Double(count)
      guard sum <= limit else { break }
      most = work
    }
    return map { $0.bytes <= memory && $0.work <= most }
  }
}
