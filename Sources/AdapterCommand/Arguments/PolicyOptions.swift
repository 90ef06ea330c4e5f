internal import AdapterRuntime
internal import ArgumentParser

/// What a user decides of a merge where a base leaves a question open, and what is to be accepted or refused.
struct PolicyOptions: ParsableArguments {
  @Option(help: "How square weights are stored that nothing else decides, of all adapters.")
  var layout: LayoutChoice?

  @Option(
    help: ArgumentHelp(
      "The base's tensor that a target of an adapter means.", valueName: "target=stored"))
  var map: [NamePair] = []

  @Flag(help: "Makes biases that an adapter changes and the base does not have, from zeros.")
  var addMissingBias = false

  @Flag(
    help: "Gives parameters that share a tensor one each, where an adapter changes them apart.")
  var untie = false

  @Flag(help: "Accepts NaN and infinity as they come.")
  var allowNonFinite = false

  @Flag(help: "Accepts a base that differs where an adapter does not change it.")
  var allowOtherBase = false

  @Flag(help: "Refuses an adapter that has no fingerprint of its base.")
  var requireFingerprint = false

  /// Whether any of them is given.
  var isUsed: Bool {
    layout != nil || !map.isEmpty || addMissingBias || untie || allowNonFinite || allowOtherBase
      || requireFingerprint
  }

  /// What they say together.
  var policy: AdaptedCheckpoint.Policy {
    .init(
      nonFiniteValues: allowNonFinite ? .allow : .refuse,
      otherBase: allowOtherBase ? .allow : .refuse,
      missingFingerprint: requireFingerprint ? .refuse : .allow,
      choices: BindingChoices(
        layout: layout?.layout, names: map.names, missingBias: addMissingBias ? .create : .refuse,
        ties: untie ? .untie : .refuse))
  }
}
