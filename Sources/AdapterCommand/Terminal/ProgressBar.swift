internal import ArgumentParser
internal import Storage

/// Says on standard error how far work is that takes longer than a second, if anyone is to see it.
final class ProgressBar: Sendable {
  private let start = ContinuousClock.now
  /// Nil where nothing is shown.
  private let meter: Guarded<ProgressMeter?>

  init(
    _ label: String, _ choice: ProgressChoice, counting unit: ProgressMeter.Unit = .bytes
  ) {
    meter = Guarded(choice.form.map { ProgressMeter(label, counting: unit, as: $0) })
  }

  /// Takes what was done since the last call; from any thread.
  func advance(_ count: Int, of total: UInt64) {
    meter.withLock { meter in
      if let text = meter?.advance(count, of: total, at: ContinuousClock.now - start) {
        Terminal.writeError(text)
      }
    }
  }

  /// Comes to another kind of work.
  func begin(_ label: String) {
    meter.withLock { meter in
      if let text = meter?.begin(label, at: ContinuousClock.now - start) {
        Terminal.writeError(text)
      }
    }
  }

  /// Removes the bar, or writes the last line.
  func finish() {
    meter.withLock { meter in
      if let text = meter?.finish(at: ContinuousClock.now - start) { Terminal.writeError(text) }
    }
  }
}

/// How progress is shown, as an option.
enum ProgressChoice: String, CaseIterable, ExpressibleByArgument {
  case auto
  case plain
  case none

  fileprivate var form: ProgressMeter.Form? {
    switch self {
    case .auto: Terminal.showsProgress ? .bar : nil
    case .plain: .lines
    case .none: nil
    }
  }
}

/// The option of a command that may take long.
struct ProgressOptions: ParsableArguments {
  @Option(
    help: """
      How progress is shown on standard error: a bar on a terminal, a line every ten seconds, or \
      nothing.
      """)
  var progress = ProgressChoice.auto
}
