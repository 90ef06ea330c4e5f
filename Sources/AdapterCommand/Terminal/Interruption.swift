internal import Dispatch
internal import Storage

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// Ends the command on Ctrl-C and its kin without leaving temporary files behind.
enum Interruption {
  static func install() {
    // A closed pipe and a file over the limit show as errors of the write.
    _ = signal(SIGPIPE, SIG_IGN)
    _ = signal(SIGXFSZ, SIG_IGN)
    for number in [SIGINT, SIGTERM, SIGHUP] {
      // What the caller has turned off (nohup does) stays off.
      let previous = signal(number, SIG_IGN)
      guard unsafe unsafeBitCast(previous, to: Int.self) != 1 else { continue }
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        // The handler keeps its own source alive.
        withExtendedLifetime(source) {}
        TemporaryPaths.removeAll { _exit(128 + number) }
      }
      source.resume()
    }
  }
}
