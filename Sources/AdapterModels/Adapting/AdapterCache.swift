internal import Storage

/// Adapters of one model that are kept in memory up to so many bytes; those not used for longest go first.
///
/// Sequences that run with an adapter keep it alive, whether it is still in the cache or not.
public final class AdapterCache<Key: Hashable & Sendable>: Sendable {
  /// How many bytes of operands it keeps at most. One adapter that is larger is kept alone.
  public let byteLimit: Int
  private let state = Guarded(State())

  fileprivate struct State {
    var entries: [Key: Entry] = [:]
    var byteCount = 0
    var clock: UInt64 = 0
  }

  fileprivate struct Entry {
    let adapter: PreparedAdapter
    var lastUse: UInt64
  }

  /// An empty cache.
  public init(byteLimit: Int) {
    self.byteLimit = byteLimit
  }

  /// Bytes that its adapters take.
  public var byteCount: Int { state.withLock(\.byteCount) }

  /// How many adapters it holds.
  public var count: Int { state.withLock(\.entries.count) }

  /// Forgets an adapter, such as one whose file has changed.
  public func remove(_ key: Key) {
    state.withLock { $0.remove(key) }
  }

  /// An adapter, loaded if it is not there. Two tasks that ask for the same one at the same time may both load
  /// it; both get the one that was ready first.
  ///
  /// - Parameters:
  ///   - key: what the adapter is known by.
  ///   - load: makes it.
  /// - Throws: what `load` throws.
  /// - Returns: the adapter.
  public func adapter(
    for key: Key, _ load: () throws -> PreparedAdapter
  ) throws -> PreparedAdapter {
    if let adapter = state.withLock({ $0.use(key) }) { return adapter }
    let adapter = try load()
    return state.withLock { state in
      if let other = state.use(key) { return other }
      state.insert(adapter, key)
      state.shrink(to: byteLimit)
      return adapter
    }
  }
}

extension AdapterCache.State {
  fileprivate mutating func use(_ key: Key) -> PreparedAdapter? {
    guard let entry = entries[key] else { return nil }
    clock += 1
    entries[key]?.lastUse = clock
    return entry.adapter
  }

  fileprivate mutating func insert(_ adapter: PreparedAdapter, _ key: Key) {
    clock += 1
    entries[key] = .init(adapter: adapter, lastUse: clock)
    byteCount += adapter.byteCount
  }

  fileprivate mutating func remove(_ key: Key) {
    guard let entry = entries.removeValue(forKey: key) else { return }
    byteCount -= entry.adapter.byteCount
  }

  fileprivate mutating func shrink(to limit: Int) {
    while byteCount > limit, entries.count > 1,
      let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse })
    {
      remove(oldest.key)
    }
  }
}
