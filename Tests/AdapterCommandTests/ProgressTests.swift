import AdapterCommand
import Testing

/// What progress looks like, on a clock that the test sets.
@Suite struct ProgressTests {
  @Test func aLineComesEveryTenSecondsAndAtTheEnd() {
    var meter = ProgressMeter("merging", as: .lines)
    let total: UInt64 = 2_900_000_000
    #expect(meter.advance(100_000_000, of: total, at: .milliseconds(900)) == nil)
    #expect(
      meter.advance(100_000_000, of: total, at: .seconds(2))
        == "adapter: progress: merging: 6 %, 200 MB of 2.9 GB, 100 MB/s, 27 s left\n")
    #expect(meter.advance(1_000_000_000, of: total, at: .milliseconds(11_999)) == nil)
    #expect(
      meter.advance(18_000_000, of: total, at: .seconds(12))
        == "adapter: progress: merging: 42 %, 1.22 GB of 2.9 GB, 102 MB/s, 17 s left\n")
    #expect(meter.advance(1_682_000_000, of: total, at: .seconds(20)) == nil)
    #expect(
      meter.finish(at: .seconds(20))
        == "adapter: progress: merging: 100 %, 2.9 GB of 2.9 GB, 145 MB/s, 0 s left\n")
    #expect(meter.finish(at: .seconds(21)) == nil, "the last line comes once")
  }

  @Test func shortWorkHasItsLastLineAlone() {
    var meter = ProgressMeter("comparing", counting: .targets, as: .lines)
    #expect(meter.advance(12, of: 30, at: .milliseconds(1)) == nil)
    #expect(
      meter.finish(at: .milliseconds(500))
        == "adapter: progress: comparing: 40 %, 12 of 30 targets, 24 targets/s, 1 s left\n")
    var none = ProgressMeter("merging", as: .lines)
    #expect(none.finish(at: .seconds(5)) == nil, "nothing was to be done")
  }

  @Test func aBarIsDrawnAfterASecondAndRemoved() {
    var meter = ProgressMeter("merging", as: .bar)
    #expect(meter.advance(1000, of: 4000, at: .milliseconds(500)) == nil)
    #expect(
      meter.advance(1000, of: 4000, at: .seconds(2))
        == "\rmerging [###############...............] 50 %  1 kB/s  2 s left\u{1B}[K")
    #expect(meter.advance(100, of: 4000, at: .milliseconds(2050)) == nil)
    #expect(meter.advance(100, of: 4000, at: .milliseconds(2100)) != nil)
    #expect(meter.finish(at: .seconds(3)) == "\r\u{1B}[K")
    var short = ProgressMeter("merging", as: .bar)
    _ = short.advance(1, of: 1, at: .milliseconds(10))
    #expect(short.finish(at: .milliseconds(20)) == nil)
  }

  /// Each kind of work has its name, and none is shown as if it had come to its end.
  @Test func otherWorkHasAnotherName() {
    var bar = ProgressMeter("merging", as: .bar)
    #expect(bar.begin("merging", at: .seconds(2)) == nil)
    _ = bar.advance(4000, of: 4000, at: .seconds(2))
    #expect(bar.begin("flushing", at: .seconds(3)) == "\rflushing …\u{1B}[K")
    #expect(bar.finish(at: .seconds(4)) == "\r\u{1B}[K")
    var short = ProgressMeter("merging", as: .bar)
    #expect(short.begin("flushing", at: .milliseconds(10)) == nil)
    var lines = ProgressMeter("merging", as: .lines)
    _ = lines.advance(30, of: 30, at: .milliseconds(1))
    #expect(
      lines.begin("flushing", at: .seconds(1))
        == "adapter: progress: merging: 100 %, 30 bytes of 30 bytes, 30 bytes/s, 0 s left\n")
    #expect(lines.finish(at: .seconds(2)) == nil)
  }

  /// Numbers of any size are shown, and none traps.
  @Test func nothingIsTooSmallOrTooLarge() {
    for (count, total) in [(0, 0), (0, UInt64.max), (Int.max, 1), (1, UInt64.max), (-1, 5)] {
      for form in [ProgressMeter.Form.bar, .lines] {
        var meter = ProgressMeter("x", as: form)
        #expect(meter.advance(count, of: total, at: .seconds(2)) != nil)
        #expect(meter.advance(count, of: total, at: .seconds(40)) != nil)
        _ = meter.finish(at: .zero)
      }
    }
  }
}
