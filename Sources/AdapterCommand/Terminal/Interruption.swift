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
  /// Has a thread of its own wait for them, which hears them whatever the others wait for. Where there can be none, they
  /// do what they do to any process.
  static func install() {
    // A closed pipe and a file over the limit show as errors of the write.
    _ = signal(SIGPIPE, SIG_IGN)
    _ = signal(SIGXFSZ, SIG_IGN)
    _ = Platform.startThread {
      guard let number = nextSignal() else { return }
      TemporaryPaths.removeAll {
        // A bar, or the echo of the key, is in the line.
        if Terminal.showsProgress { Terminal.writeError("\r\u{1B}[K") }
        Terminal.report(
          "error", "interrupted: " + (kept.withLock(\.self) ?? "nothing is left behind"))
        _exit(128 + number)
      }
    }
  }

  /// The first one that ends the command. In a conversation Ctrl-C stops an answer, and leaves where there is none.
  private static func nextSignal() -> Int32? {
    while let number = Platform.waitForSignal([SIGINT, SIGTERM, SIGHUP]) {
      guard number == SIGINT else { return number }
      let before = phase.withLock { phase in
        defer { if phase == .answering { phase = .stopping } }
        return phase
      }
      switch before {
      case .none: return number
      case .answering: continue
      case .asking, .stopping:
        TemporaryPaths.removeAll {
          Terminal.writeError("\n")
          _exit(0)
        }
      }
    }
    return nil
  }

  /// Where a conversation is.
  enum Phase {
    case none
    case asking
    case answering
    /// The answer is not wanted any more.
    case stopping
  }

  private static let phase = Guarded(Phase.none)

  static func setPhase(_ next: Phase) { phase.withLock { $0 = next } }

  static var isAnswerUnwanted: Bool { phase.withLock { $0 == .stopping } }

  /// The message about what stays, and how to go on; nil if nothing does.
  static let kept = Guarded<String?>(nil)
}
