internal import Dispatch

/// Threads that help with work that others share out, and wait for more in between.
///
/// Who shares its work does it too, and waits only for helpers that have begun: work gets done where no thread can be
/// started, and within work that is shared itself.
final class Helpers: Sendable {
  /// One for each processor, but for the one that calls.
  static let shared = Helpers(limit: Platform.processorCount - 1)
  /// For work that waits for the disk, of which there may be more.
  static let waiting = Helpers(limit: 256)

  private let limit: Int
  private let state = Guarded<State>(State())
  private let alarm = DispatchSemaphore(value: 0)

  private struct State {
    /// Work that wants more helpers, the newest last, and the number of the next one.
    var requests: [(request: Request, next: Int)] = []
    var threadCount = 0
    var sleeperCount = 0
  }

  /// Work that is shared, until whoever shares it has done its part.
  private final class Request: Sendable {
    let run: @Sendable (_ worker: Int) -> Void
    let workers: Int
    let begun = DispatchGroup()

    init(_ workers: Int, _ run: @escaping @Sendable (Int) -> Void) {
      self.workers = workers
      self.run = run
    }
  }

  private init(limit: Int) { self.limit = limit }

  /// Calls `run` with 0, and with numbers below `workers` on other threads as long as that call takes.
  func share(among workers: Int, _ run: @escaping @Sendable (_ worker: Int) -> Void) {
    guard workers > 1, limit > 0 else { return run(0) }
    let request = Request(workers, run)
    call(for: request)
    run(0)
    state.withLock { $0.requests.removeAll { $0.request === request } }
    request.begun.wait()
  }

  private func call(for request: Request) {
    let (woken, started) = state.withLock { state in
      state.requests.append((request, 1))
      let woken = min(state.sleeperCount, request.workers - 1)
      state.sleeperCount -= woken
      let started = min(request.workers - 1 - woken, limit - state.threadCount)
      state.threadCount += started
      return (woken, started)
    }
    for _ in 0..<woken { alarm.signal() }
    for _ in 0..<started where !Platform.startThread({ self.work() }) {
      state.withLock { $0.threadCount -= 1 }
    }
  }

  private func work() -> Never {
    while true {
      if let begun = helpOnce() {
        begun.leave()
      } else {
        alarm.wait()
      }
    }
  }

  /// Helps with the newest request. What it returns is told that this is done when nothing of the request is in use any
  /// more; nil where there is none.
  private func helpOnce() -> DispatchGroup? {
    let taken: (request: Request, worker: Int)? = state.withLock { state in
      guard let (request, worker) = state.requests.popLast() else {
        state.sleeperCount += 1
        return nil
      }
      if worker + 1 < request.workers { state.requests.append((request, worker + 1)) }
      request.begun.enter()
      return (request, worker)
    }
    guard let taken else { return nil }
    taken.request.run(taken.worker)
    return taken.request.begun
  }
}
