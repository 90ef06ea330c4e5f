internal import AdapterRuntime
internal import ArgumentParser
internal import Checkpoints
internal import Storage
internal import SystemPackage

/// The options of `adapter verify --merge`, and its work.
struct MergeVerificationOptions: ParsableArguments {
  @OptionGroup
  var policyOptions: PolicyOptions

  @Option(
    help: """
      Accept a changed tensor up to this relative distance from the exact change, beyond one rounding \
      (default: 0).
      """)
  var tolerance: Double?

  @OptionGroup
  var progressOptions: ProgressOptions

  @Flag(help: "Write JSON (Spec/cli.md).")
  var json = false

  /// True if any of the options is given.
  var isUsed: Bool {
    policyOptions.isUsed || tolerance != nil || progressOptions.progress != .auto || json
  }

  func validate() throws {
    guard (tolerance ?? 0) >= 0, tolerance?.isFinite ?? true else {
      throw ValidationError("--tolerance is a share, such as 1e-5")
    }
  }

  /// Computes a merge again, compares, and says what came out.
  func verify(base: String, adapters: [String], merged: String) throws(Failure) {
    let references = try WeightedReference.all(adapters)
    let (checkpoint, result) = (try policyOptions.openBase(base), try openCheckpoint(merged))
    let stack = try references.open(
      for: policyOptions.importBase(checkpoint))
    let verification: MergeVerification
    do {
      let view = try AdaptedCheckpoint(
        checkpoint, applying: stack, policy: policyOptions.policy)
      let bar = ProgressBar("verifying", progressOptions.progress)
      defer { bar.finish() }
      verification = try MergeVerification(of: result, as: view, tolerance: tolerance ?? 0) {
        bar.advance($0, of: $1)
      }
    } catch {
      throw Failure(error, in: references[0].adapter.path)
    }
    let answer = MergeAnswer(
      base: base, adapters: adapters, merged: merged, verification: verification)
    Terminal.write(json ? answer.json : answer.text)
    for note in answer.notes { Terminal.report("note", note) }
    if !verification.isConfirmed { Terminal.exit(1) }
  }
}
