internal import Dispatch
internal import Storage
internal import Synchronization

/// Threads that share the loops of a forward pass.
///
/// A pass of a small model has hundreds of loops of some microseconds each, too short to wake a thread
/// for; so the workers look out for the next loop for a while before they go to sleep.
final class WorkerPool: Sendable {
  /// One worker for each processor, but for the one that calls.
  static let shared = WorkerPool(workerCount: Platform.processorCount - 1)

  /// The loop that is being shared: its number in the upper half, and how many places of it are taken in
  /// the lower. A place is taken by exchanging all of it, so nobody can take one of a loop that is over.
  private let ticket = Atomic<UInt64>(0)
  private let placeCount = Atomic<Int>(0)
  private let finishedCount = Atomic<Int>(0)
  /// The address of the loop's body, valid until all places are finished.
  private let body = Atomic<UInt>(0)
  private let isBusy = Atomic<Bool>(false)
  private let sleeperCount = Atomic<Int>(0)
  private let alarm = DispatchSemaphore(value: 0)
  private let workerCount: Int
  /// How many threads share a loop, the one that calls among them.
  var threadCount: Int { workerCount + 1 }

  private typealias Body = (Int) -> Void
  private static let placeMask: UInt64 = 0xFFFF_FFFF
  /// Some tenths of a millisecond, which spans the parts of a pass that one thread does alone.
  private static let patience = 4_000

  private init(workerCount: Int) {
    self.workerCount = workerCount
    for _ in 0..<workerCount {
      guard Platform.startThread({ [self] in work() }) else { break }
    }
  }

  /// Calls the body for every place, from several threads; returns when all calls have.
  ///
  /// If another pass has the workers, the calls are made by this thread alone. The body counts as escaping
  /// because a worker may hold on to it for a moment after its last call.
  func run(_ count: Int, _ body: @escaping (Int) -> Void) {
    guard count > 1, workerCount > 0,
      isBusy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged
    else {
      for place in 0..<count { body(place) }
      return
    }
    unsafe withUnsafePointer(to: body) { pointer in
      let number = (ticket.load(ordering: .relaxed) >> 32 &+ 1) << 32
      // While the next loop is being described there is no place to take, not even one past the end of the
      // last loop, which the new count would seem to allow.
      ticket.store(number | Self.placeMask, ordering: .sequentiallyConsistent)
      self.body.store(UInt(bitPattern: pointer), ordering: .releasing)
      placeCount.store(count, ordering: .releasing)
      finishedCount.store(0, ordering: .relaxed)
      ticket.store(number, ordering: .sequentiallyConsistent)
      wake()
      takePlaces()
      while finishedCount.load(ordering: .acquiring) < count { Self.pause() }
    }
    isBusy.store(false, ordering: .releasing)
  }

  private func wake() {
    guard sleeperCount.load(ordering: .sequentiallyConsistent) > 0 else { return }
    for _ in 0..<sleeperCount.exchange(0, ordering: .sequentiallyConsistent) { alarm.signal() }
  }

  /// Does what places of the present loop there are; false where there is none.
  @discardableResult
  private func takePlaces() -> Bool {
    var hasWorked = false
    while true {
      let seen = ticket.load(ordering: .sequentiallyConsistent)
      let count = placeCount.load(ordering: .acquiring)
      let address = body.load(ordering: .acquiring)
      let place = Int(seen & Self.placeMask)
      guard place < count else { return hasWorked }
      guard
        ticket.compareExchange(expected: seen, desired: seen + 1, ordering: .acquiringAndReleasing)
          .exchanged
      else { continue }
      if let body = unsafe UnsafePointer<Body>(bitPattern: address) { unsafe body.pointee(place) }
      finishedCount.add(1, ordering: .releasing)
      hasWorked = true
    }
  }

  private func work() {
    var idleRounds = 0
    while true {
      if takePlaces() { idleRounds = 0 }
      idleRounds += 1
      if idleRounds < Self.patience {
        Self.pause()
      } else {
        sleep()
        idleRounds = 0
      }
    }
  }

  private func sleep() {
    let before = ticket.load(ordering: .relaxed)
    sleeperCount.add(1, ordering: .sequentiallyConsistent)
    if ticket.load(ordering: .sequentiallyConsistent) != before {
      // A loop has come in between: stay awake, unless the alarm is on its way already.
      var count = sleeperCount.load(ordering: .relaxed)
      while count > 0 {
        let (isExchanged, seen) = sleeperCount.compareExchange(
          expected: count, desired: count - 1, ordering: .relaxed)
        if isExchanged { return }
        count = seen
      }
    }
    alarm.wait()
  }

  private static func pause() {
    for _ in 0..<8 { Platform.pause() }
  }
}
