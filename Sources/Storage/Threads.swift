internal import CPlatform

// Threads of the C library, which says where it cannot start one.
extension Platform {
  /// Starts a thread.
  ///
  /// - Returns: whether there is one more: the system may not have the memory, or not allow it.
  package static func startThread(_ body: @escaping @Sendable () -> Void) -> Bool {
    let context = unsafe Unmanaged.passRetained(ThreadBody(body))
    let status = unsafe platform_start_thread(
      { context in
        if let context = unsafe context {
          unsafe Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().run()
        }
        return nil
      }, context.toOpaque(), 1 << 20)
    if status != 0 { unsafe context.release() }
    return status == 0
  }

  /// Has this thread wait for signals, of those that the caller has not turned off, as nohup does.
  ///
  /// - Returns: the one that has come; nil where all are turned off.
  package static func waitForSignal(_ numbers: [Int32]) -> Int32? {
    let number = unsafe numbers.withUnsafeBufferPointer {
      unsafe platform_wait_for_signal($0.baseAddress, Int32($0.count))
    }
    return number == 0 ? nil : number
  }

  private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }
}
