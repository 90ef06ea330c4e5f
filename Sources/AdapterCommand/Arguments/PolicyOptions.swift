internal import AdapterRuntime
internal import ArgumentParser
internal import Checkpoints

/// The user's choices for a merge where a base leaves a question open, and the cases to accept or refuse.
struct PolicyOptions: ParsableArguments {
  @Option(help: "Layout to assume for square weights when the base does not show it.")
  var layout: LayoutChoice?

  @Option(help: NamePair.help)
  var map: [NamePair] = []

  @Option(help: PatternChoice.help)
  var drop: [PatternChoice] = []

  @Flag(help: "Create biases that an adapter changes and the base lacks, starting from zero.")
  var addMissingBias = false

  @Flag(
    help: "Untie parameters that an adapter changes independently.")
  var untie = false

  @Flag(
    name: [.customLong("dequantize"), .customLong("dequantise")],
    help: "Decode the base's quantised parameters, and write all of them as floats.")
  var dequantize = false

  @Flag(
    name: [.customLong("requantize"), .customLong("requantise")],
    help: "Decode the base's quantised parameters that change, and quantise them again.")
  var requantize = false

  @Flag(help: "Accept NaN and infinity.")
  var allowNonFinite = false

  @OptionGroup
  var otherBase: OtherBaseOptions

  @Flag(help: "Refuse an adapter without a fingerprint, or of a base that is only near this one.")
  var requireFingerprint = false

  /// True if any of the options is given.
  var isUsed: Bool {
    layout != nil || !map.isEmpty || !drop.isEmpty || addMissingBias || untie || allowNonFinite
      || otherBase.policy != .refuse
      || requireFingerprint || dequantize || requantize
  }

  func validate() throws {
    guard !dequantize || !requantize else {
      throw ValidationError("--dequantize writes floats, --requantize codes: give one of them")
    }
    guard !allowNonFinite || !requantize else {
      throw ValidationError(
        "codes hold no NaN or infinity: --allow-non-finite goes with --dequantize")
    }
  }

  /// The base at a path, decoded where that is asked for.
  func openBase(_ path: String, notFor output: String? = nil) throws(Failure) -> Checkpoint {
    let checkpoint = try openCheckpoint(path, notFor: output)
    guard dequantize || requantize else { return checkpoint }
    let base = try checkpoint.decoded(keepingCodes: requantize)
    if base.decoded.isEmpty {
      let option = dequantize ? "--dequantize" : "--requantize"
      Terminal.report("note", "\(path): nothing is quantised: \(option) has no effect")
    }
    return base
  }

  /// The policy that the options make together.
  var policy: AdaptedCheckpoint.Policy {
    .init(
      nonFiniteValues: allowNonFinite ? .allow : .refuse,
      otherBase: otherBase.policy,
      missingFingerprint: requireFingerprint ? .refuse : .allow,
      choices: BindingChoices(
        layout: layout?.layout, names: map.names, missingBias: addMissingBias ? .create : .refuse,
        ties: untie ? .untie : .refuse))
  }

  /// Returns the base for reading foreign adapters.
  func importBase(_ checkpoint: Checkpoint) -> ImportBase {
    ImportBase(
      checkpoint: checkpoint, binding: policy.choices, dropped: drop.map(\.pattern), isApplied: true
    )
  }
}

/// The options for accepting another base than an adapter's own.
struct OtherBaseOptions: ParsableArguments {
  @Flag(
    help: """
      Accept a base that differs in tensors the adapter does not change; with =targets, also in those it \
      changes.
      """)
  var allowOtherBase = false

  /// The flag that stands in for `--allow-other-base=targets`, because a flag has no value.
  @Flag(help: .hidden)
  var allowOtherBaseTargets = false

  /// An argument as the parser takes it.
  static func spelled(_ argument: String) -> String {
    argument == "--allow-other-base=targets" ? "--allow-other-base-targets" : argument
  }

  var policy: AdaptedCheckpoint.Policy.OtherBase {
    allowOtherBaseTargets ? .allowTargets : allowOtherBase ? .allow : .refuse
  }
}
