internal import Synchronization

/// Work on all processors.
package enum ConcurrentWork {
  /// Threads that work at once.
  package static let workers = Platform.processorCount
  /// How many threads may be at work in one call: those that are given, or one for each processor.
  package static let threadLimit = max(16, workers)

  /// Threads for work of which half waits for the disk: two for each processor, and no more than memory is meant for.
  package static let waitingWorkers = min(2 * workers, threadLimit)

  /// Calls `body` for every index below `count`, in order but several at once.
  ///
  /// - Parameters:
  ///   - count: how many calls.
  ///   - body: takes the index, and the number of the worker that calls it, below `workers`: no two calls at
  ///     the same time have the same.
  /// - Throws: of the calls that fail, the error of the lowest index; later ones may not have been made.
  package static func perform<Failure: Error>(
    _ count: Int, _ body: @Sendable (_ index: Int, _ worker: Int) throws(Failure) -> Void
  ) throws(Failure) {
    let workers = min(count, workers)
    let failure = withoutActuallyEscaping(body) { body in
      let work = SharedWork(count, body)
      Helpers.shared.share(among: workers) { work.run($0) }
      return work.failure
    }
    if let failure { throw failure }
  }

  /// The same on more threads than there are processors: for work that waits. Where no more can be had, there are fewer.
  ///
  /// - Parameters:
  ///   - count: how many calls.
  ///   - threads: how many threads.
  ///   - body: takes the index, and the number of the thread that calls it, below `threads`.
  /// - Throws: as the other does.
  package static func perform<Failure: Error>(
    _ count: Int, threads: Int,
    _ body: @Sendable (_ index: Int, _ thread: Int) throws(Failure) -> Void
  ) throws(Failure) {
    let failure = withoutActuallyEscaping(body) { body in
      let work = SharedWork(count, body)
      Helpers.waiting.share(among: min(count, threads)) { work.run($0) }
      return work.failure
    }
    if let failure { throw failure }
  }
}

/// Calls that several threads share: each makes the next one, until there is none or one has failed.
private final class SharedWork<Failure: Error>: Sendable {
  private let count: Int
  private let body: @Sendable (Int, Int) throws(Failure) -> Void
  private let next = Atomic<Int>(0)
  private let hasFailed = Atomic<Bool>(false)
  private let first = Guarded<(index: Int, error: Failure)?>(nil)

  init(_ count: Int, _ body: @escaping @Sendable (Int, Int) throws(Failure) -> Void) {
    self.count = count
    self.body = body
  }

  /// Of the calls that have failed, the error of the lowest index.
  var failure: Failure? { first.withLock { $0?.error } }

  func run(_ worker: Int) {
    while !hasFailed.load(ordering: .relaxed) {
      let index = next.add(1, ordering: .relaxed).oldValue
      guard index < count else { return }
      do throws(Failure) {
        try body(index, worker)
      } catch {
        hasFailed.store(true, ordering: .relaxed)
        first.withLock { if index < $0?.index ?? .max { $0 = (index, error) } }
      }
    }
  }
}

extension RandomAccessCollection where Self: Sendable, Index == Int, Element: Sendable {
  /// Returns the results of `body` for every element, in order; computes them on all processors.
  ///
  /// - Throws: the error of the first element, by place, that `body` throws for; others may not have been
  ///   tried.
  package func concurrentMap<Value: Sendable, Failure: Error>(
    _ body: @Sendable (Element) throws(Failure) -> Value
  ) throws(Failure) -> [Value] {
    let results = Slots<Value?>(repeating: nil, count: count)
    try ConcurrentWork.perform(count) { (place, _) throws(Failure) in
      results[place] = try body(self[startIndex + place])
    }
    return results.elements.compactMap(\.self)
  }
}

/// A fixed number of values, each of which one thread at a time uses: several threads use several at once.
@safe package final class Slots<Element>: @unchecked Sendable {
  private let memory: UnsafeMutableBufferPointer<Element>

  package init(repeating element: Element, count: Int) {
    unsafe memory = .allocate(capacity: count)
    unsafe memory.initialize(repeating: element)
  }

  package init(count: Int, _ make: (Int) -> Element) {
    unsafe memory = .allocate(capacity: count)
    for index in 0..<count { unsafe memory.initializeElement(at: index, to: make(index)) }
  }

  deinit {
    unsafe memory.deinitialize()
    unsafe memory.deallocate()
  }

  package var count: Int { unsafe memory.count }

  /// All values; no other thread may use any meanwhile.
  package var elements: [Element] { unsafe Array(memory) }

  package subscript(index: Int) -> Element {
    get {
      precondition(index >= 0 && index < count)
      return unsafe memory[index]
    }
    _modify {
      precondition(index >= 0 && index < count)
      yield unsafe &memory[index]
    }
  }
}
