internal import Operations

/// A text that a model is running: its positions so far, and the adapters it runs with. For one task at a
/// time.
public final class DecodingSequence {
  /// The adapters.
  public let stack: AdapterStack
  /// How many tokens it has, without virtual ones.
  public private(set) var tokenCount = 0
  let cache: KeyValueCache
  /// The soft prompt until it has been run.
  private(set) var pendingPrompt: PreparedAdapter.SoftPrompt

  /// Begins a text.
  ///
  /// - Parameters:
  ///   - model: the model.
  ///   - stack: the adapters; nil for none.
  ///   - capacity: how many tokens it will probably have; memory grows as needed.
  /// - Throws: `AdapterError` where the adapters were put on each other for another model.
  public init(
    _ model: LanguageModel, with stack: AdapterStack? = nil, capacity: Int = 64
  ) throws {
    self.stack = stack ?? model.emptyStack
    guard self.stack.model == model.identity else {
      throw AdapterError.cannotJoin("adapters that were prepared for another model")
    }
    let size = model.dimensions
    let prefix = self.stack.prefix
    pendingPrompt = self.stack.prompt ?? .init(rows: [], count: 0)
    let virtual = (prefix?.tokenCount ?? 0) + pendingPrompt.count
    cache = KeyValueCache(
      layerCount: size.layerCount, headCount: size.headCount, headDimension: size.headDimension,
      capacity: min(max(capacity, 0), model.positionCount ?? 4096) + virtual)
    if let prefix { fill(with: prefix) }
  }

  /// Positions that are in the cache, virtual ones included.
  var positions: Int { cache.count }

  func advance(by rows: Int) {
    tokenCount += rows - pendingPrompt.count
    pendingPrompt = .init(rows: [], count: 0)
    cache.advance(by: rows)
  }

  /// Keys are stored as they are, without a rotation; the text's positions follow after them.
  private func fill(with prefix: PreparedAdapter.Prefix) {
    let size = prefix.headDimension
    let slotWidth = prefix.headCount * size
    let rowWidth = prefix.values.count / max(1, prefix.tokenCount)
    for (layer, slots) in prefix.slots.enumerated() {
      for head in 0..<prefix.headCount {
        let (keys, values) = (cache.keys(layer, head: head), cache.values(layer, head: head))
        for token in 0..<prefix.tokenCount {
          let (key, value) = unsafe (keys[token], values[token])
          let start = token * rowWidth + head * size
          for element in 0..<size {
            unsafe key[element] = prefix.values[start + slots.key * slotWidth + element]
            unsafe value[element] = prefix.values[start + slots.value * slotWidth + element]
          }
        }
      }
    }
    cache.advance(by: prefix.tokenCount)
  }
}
