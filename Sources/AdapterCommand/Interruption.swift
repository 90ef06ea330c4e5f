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
    // A closed pipe shows as an error of the write.
    _ = signal(SIGPIPE, SIG_IGN)
    for number in [SIGINT, SIGTERM, SIGHUP] {
      _ = signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        TemporaryPaths.removeAll()
        // The handler keeps its own source alive.
        withExtendedLifetime(source) { _exit(128 + number) }
      }
      source.resume()
    }
  }
}
