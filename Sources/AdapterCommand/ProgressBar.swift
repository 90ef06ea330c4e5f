internal import Storage

/// A bar on standard error for work that takes longer than a second; silent where that is no
/// terminal.
final class ProgressBar: Sendable {
  private struct State {
    var written: UInt64 = 0
    var shown: ContinuousClock.Instant?
  }

  /// What is counted.
  enum Unit {
    case bytes
    case targets
  }

  private let label: String
  private let unit: Unit
  private let start = ContinuousClock.now
  private let state = Guarded(State())

  init(_ label: String, counting unit: Unit = .bytes) {
    self.label = label
    self.unit = unit
  }

  /// Takes what was done since the last call; from any thread.
  func advance(_ count: Int, of total: UInt64) {
    guard Terminal.showsProgress else { return }
    state.withLock { state in
      state.written += UInt64(count)
      let now = ContinuousClock.now
      guard now - start > .seconds(1), now - (state.shown ?? start) > .milliseconds(100) else {
        return
      }
      state.shown = now
      draw(state.written, total, now - start)
    }
  }

  /// Removes the bar.
  func finish() {
    state.withLock { state in
      if state.shown != nil { Terminal.writeError("\r\u{1B}[K") }
    }
  }

  private func draw(_ written: UInt64, _ total: UInt64, _ elapsed: Duration) {
    let share = total == 0 ? 1 : Double(written) / Double(total)
    let filled = min(30, Int(share * 30))
    let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 30 - filled)
    let seconds = elapsed / .seconds(1)
    let rest = share > 0 ? seconds / share - seconds : 0
    let speed = Double(written) / seconds
    let amount = unit == .bytes ? "\(ByteCount(UInt64(speed)))" : "\(speed.short) targets"
    Terminal.writeError(
      "\r\(label) [\(bar)] \(Int(share * 100)) %  \(amount)/s  \(Int(rest.rounded(.up))) s left\u{1B}[K"
    )
  }
}
