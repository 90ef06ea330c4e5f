import Foundation

/// How many seconds of a processor the calling thread has spent in the body: a limit for it holds on a busy machine
/// too, as one of the clock does not.
package func processorSeconds(_ body: () throws -> Void) rethrows -> Double {
  let start = threadSeconds
  try body()
  return threadSeconds - start
}

private var threadSeconds: Double {
  var time = timespec()
  unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
