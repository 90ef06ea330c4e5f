internal import AdapterRuntime
internal import ArgumentParser
internal import Checkpoints

/// What a user decides of a merge where a base leaves a question open, and what is to be accepted or refused.
struct PolicyOptions: ParsableArguments {
  @Option(help: "How square weights are stored that nothing else decides, of all adapters.")
  var layout: LayoutChoice?

  @Option(help: NamePair.help)
  var map: [NamePair] = []

  @Option(help: PatternChoice.help)
  var drop: [PatternChoice] = []

  @Flag(help: "Makes biases that an adapter changes and the base does not have, from zeros.")
  var addMissingBias = false

  @Flag(
    help: "Gives parameters that share a tensor one each, where an adapter changes them apart.")
  var untie = false

  @Flag(help: "Accepts NaN and infinity as they come.")
  var allowNonFinite = false

  @OptionGroup
  var otherBase: OtherBaseOptions

  @Flag(help: "Refuses an adapter that has no fingerprint of its base.")
  var requireFingerprint = false

  /// Whether any of them is given.
  var isUsed: Bool {
    layout != nil || !map.isEmpty || !drop.isEmpty || addMissingBias || untie || allowNonFinite
      || otherBase.policy != .refuse
      || requireFingerprint
  }

  /// What they say together.
  var policy: AdaptedCheckpoint.Policy {
    .init(
      nonFiniteValues: allowNonFinite ? .allow : .refuse,
      otherBase: otherBase.policy,
      missingFingerprint: requireFingerprint ? .refuse : .allow,
      choices: BindingChoices(
        layout: layout?.layout, names: map.names, missingBias: addMissingBias ? .create : .refuse,
        ties: untie ? .untie : .refuse))
  }

  /// What foreign adapters are read with.
  func importBase(_ checkpoint: Checkpoint) -> ImportBase {
    ImportBase(
      checkpoint: checkpoint, binding: policy.choices, dropped: drop.map(\.pattern), isApplied: true
    )
  }
}

/// Whether another base than an adapter's own is accepted.
struct OtherBaseOptions: ParsableArguments {
  @Flag(
    help: """
      Accepts a base that differs where an adapter does not change it; with =targets also where it does.
      """)
  var allowOtherBase = false

  /// What `--allow-other-base=targets` stands for: a flag has no value.
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
