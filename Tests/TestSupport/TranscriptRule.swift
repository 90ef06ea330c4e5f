import Foundation

/// The parts of a transcript that differ from machine to machine, or from run to run, and are shown as `…`. All the
/// rest is exact.
package enum TranscriptRule: CaseIterable {
  /// How long something took.
  case seconds
  /// The abilities of the processors, and their number.
  case machine
  /// Sizes and manifest digests of files that were compressed here: they depend on the version of
  /// libzstd. Those of a fixture, which is only read or copied, do not.
  case compressed
  /// Numbers of JSON are rounded to six digits, and to zero where they are only rounding errors: the others
  /// depend on the processor.
  case digits
  /// The rest of a change after rounding depends on the last bit of sums, and so on the processor.
  case survival

  func apply(to text: String, command: String) -> String {
    switch self {
    case .seconds:
      return text.replacing(#/\ in [0-9.e-]+ s\n/#, with: " in … s\n")
        .replacing(#/\ in [0-9.e-]+ s, [0-9.]+ tokens\/s\n/#, with: " in … s, … tokens/s\n")
        .replacing(#/(progress: .*), [^,]+\/s, [0-9]+ s left\n/#) { "\($0.1), …/s, … s left\n" }
        .replacing(#/"([a-z_]*seconds)": [0-9.e-]+/#) { "\"\($0.1)\": …" }
        .replacing(#/(stats: .*)\n/#) { "\($0.1.replacing(#/\b[0-9.e-]+ s\b/#, with: "… s"))\n" }
    case .machine:
      return text.replacing(#/stats: [0-9]+ threads?:/#, with: "stats: … threads:")
        .replacing(#/(stats: (?:products|matrices) by) .*\n/#) { "\($0.1) …\n" }
    case .compressed:
      let isFixture = command.contains(#/\b(in)?valid\//#)
      return isFixture ? text : Self.withoutCompression(text)
    case .digits:
      return text.replacing(#/([:\[] |^ +)(-?[0-9][0-9.e+-]*)(,?\n)/#.anchorsMatchLineEndings()) {
        match in
        guard match.2.contains(#/[.e]/#), let number = Double(match.2) else {
          return String(match.0)
        }
        return "\(match.1)\(Self.rounded(number))\(match.3)"
      }.replacing(#/‖ [0-9.]+e-1[3-9],/#, with: "‖ 0,")
    case .survival: return Self.withoutSurvival(text)
    }
  }

  private static func withoutSurvival(_ text: String) -> String {
    text.replacing(#/"(changed_share|kept_energy|along)": [0-9.e-]+/#) { "\"\($0.1)\": …" }
      .replacing(#/to take it back: (\S+), [0-9.]+ [kMG]?B\n/#) { "to take it back: \($0.1), …\n" }
      .replacing(#/rounding keeps .* of the elements/#, with: "rounding keeps … of the elements")
  }

  private static func withoutCompression(_ text: String) -> String {
    text.replacing(#/manifest([ |`]+)[0-9a-f]{64}/#) { "manifest\($0.1)…" }
      .replacing(#/"manifest_digest": "[0-9a-f]{64}"/#, with: "\"manifest_digest\": \"…\"")
      .replacing(
        #/"format": "adp",\n  "bytes": [0-9]+/#, with: "\"format\": \"adp\",\n  \"bytes\": …"
      )
      .replacing(#/"stored_bytes": [0-9]+/#, with: "\"stored_bytes\": …")
      .replacing(#/[0-9.,]+ (?:[kMG]?B|bytes?) for /#, with: "… for ")
      .replacing(#/(\ adapters?), [0-9.,]+ (?:[kMG]?B|bytes?)\n/#) { "\($0.1), …\n" }
      .replacing(#/stored in [0-9.,]+ (?:[kMG]?B|bytes?)/#, with: "stored in …")
      .replacing(#/(\.adp  .*), [0-9.,]+ (?:[kMG]?B|bytes?)\n/#) { "\($0.1), …\n" }
      .replacing(#/\.html: [0-9.]+ kB/#, with: ".html: … kB")
  }

  private static func rounded(_ number: Double) -> String {
    abs(number) < 1e-12 ? "0" : String(format: "%.6g", number)
  }
}
