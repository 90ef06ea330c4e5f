/// How far some work is, and when that is worth a word. It is told the time, and knows no clock.
package struct ProgressMeter: Sendable {
  /// The unit that is counted.
  package enum Unit: Sendable {
    case bytes
    case targets
  }

  /// How it is shown.
  package enum Form: Sendable {
    /// A bar that is drawn again and again in one line of a terminal.
    case bar
    /// A line now and then, for logs.
    case lines
  }

  private var label: String
  private let unit: Unit
  private let form: Form
  private var done: UInt64 = 0
  private var total: UInt64?
  private var shown: Duration?
  private var isFinished = false

  package init(_ label: String, counting unit: Unit = .bytes, as form: Form) {
    self.label = label
    self.unit = unit
    self.form = form
  }

  /// Takes what was done since the last call.
  ///
  /// - Parameters:
  ///   - count: how much.
  ///   - total: how much there is to do in all.
  ///   - elapsed: how long it has taken so far.
  /// - Returns: what is to be written, if anything: nothing in the first second.
  package mutating func advance(
    _ count: Int, of total: UInt64, at elapsed: Duration
  ) -> String? {
    done += UInt64(max(0, count))
    self.total = total
    guard elapsed > .seconds(1), shown.map({ elapsed - $0 >= pause }) ?? true else { return nil }
    shown = elapsed
    return text(total, elapsed)
  }

  /// Comes to another kind of work, of which nothing is done yet.
  ///
  /// - Parameters:
  ///   - label: what it is called.
  ///   - elapsed: how long all has taken so far.
  /// - Returns: what is to be written, if anything.
  package mutating func begin(_ label: String, at elapsed: Duration) -> String? {
    guard label != self.label else { return nil }
    let last = total.map { text($0, elapsed) }
    self.label = label
    (done, total) = (0, nil)
    switch form {
    case .lines: return last
    case .bar:
      guard elapsed > .seconds(1) else { return nil }
      shown = elapsed
      return "\r\(label) …\u{1B}[K"
    }
  }

  /// Ends it.
  ///
  /// - Parameter elapsed: how long it has taken.
  /// - Returns: what is to be written: of a bar what removes it, else the last line, however short the work was.
  package mutating func finish(at elapsed: Duration) -> String? {
    guard !isFinished else { return nil }
    isFinished = true
    switch form {
    case .bar: return shown == nil ? nil : "\r\u{1B}[K"
    case .lines: return total.map { text($0, elapsed) }
    }
  }

  private var pause: Duration { form == .bar ? .milliseconds(100) : .seconds(10) }

  private func text(_ total: UInt64, _ elapsed: Duration) -> String {
    let share = total == 0 ? 1 : min(1, Double(done) / Double(total))
    let seconds = max(elapsed / .seconds(1), 1e-9)
    let rest = share > 0 ? min(seconds / share - seconds, 1e9) : 0
    let percent = "\(Int(share * 100)) %"
    let speed = "\(speed(seconds))/s"
    let left = "\(Int(rest.rounded(.up))) s left"
    switch form {
    case .lines:
      let parts = [percent, amount(total), speed, left].joined(separator: ", ")
      return "adapter: progress: \(label): \(parts)\n"
    case .bar:
      let filled = Int(share * 30)
      let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 30 - filled)
      return "\r\(label) [\(bar)] \(percent)  \(speed)  \(left)\u{1B}[K"
    }
  }

  /// `1.2 GB of 2.9 GB`, `12 of 30 targets`.
  private func amount(_ total: UInt64) -> String {
    switch unit {
    case .bytes: "\(ByteCount(done)) of \(ByteCount(total))"
    case .targets: "\(done) of \(total) targets"
    }
  }

  private func speed(_ seconds: Double) -> String {
    let speed = Double(done) / seconds
    return switch unit {
    case .bytes: "\(ByteCount(UInt64(min(speed, 1e18))))"
    case .targets: "\(speed.short) targets"
    }
  }
}
