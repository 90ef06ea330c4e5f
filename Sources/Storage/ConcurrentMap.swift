internal import Dispatch
internal import Synchronization

extension RandomAccessCollection where Self: Sendable, Index == Int, Element: Sendable {
  /// What `body` makes of every element, in order; made on all processors.
  ///
  /// - Throws: the error of the first element, by place, that `body` throws for; others may not have been
  ///   tried.
  package func concurrentMap<Value: Sendable, Failure: Error>(
    _ body: @Sendable (Element) throws(Failure) -> Value
  ) throws(Failure) -> [Value] {
    let results = Guarded<[Result<Value, Failure>?]>(Array(repeating: nil, count: count))
    let next = Atomic<Int>(0)
    let hasFailed = Atomic<Bool>(false)
    DispatchQueue.concurrentPerform(iterations: Swift.min(count, Platform.processorCount)) { _ in
      while !hasFailed.load(ordering: .relaxed) {
        let place = next.add(1, ordering: .relaxed).oldValue
        guard place < count else { return }
        let result = Result { () throws(Failure) in try body(self[startIndex + place]) }
        if case .failure = result { hasFailed.store(true, ordering: .relaxed) }
        results.withLock { $0[place] = result }
      }
    }
    var values: [Value] = []
    for case let result? in results.withLock({ $0 }) { values.append(try result.get()) }
    return values
  }
}
