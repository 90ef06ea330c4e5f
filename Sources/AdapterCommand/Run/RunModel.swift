internal import AdapterDecoders
internal import AdapterRuntime
internal import Adapters
internal import Checkpoints
internal import Storage
internal import SystemPackage

/// A base and its adapters, loaded: what acts beside the weights is beside them, everything else in them.
struct RunModel {
  let checkpoint: Checkpoint
  let model: LanguageModel
  let stack: AdapterStack
  /// The base alone, for a comparison.
  private let references: [WeightedReference]
  private let hasFolded: Bool

  init(
    _ base: String, _ references: [WeightedReference],
    _ otherBase: AdaptedCheckpoint.Policy.OtherBase
  ) throws(Failure) {
    self.references = references
    let policy = AdaptedCheckpoint.Policy(
      otherBase: otherBase, choices: BindingChoices(missingBias: .create, ties: .untie))
    checkpoint = try rethrowing(as: { Failure($0) }) { () throws(CheckpointError) in
      try Checkpoint(FilePath(base))
    }
    var folded: [WeightedAdapter] = []
    var beside: [(adapter: Adapter, weight: Double)] = []
    for reference in references {
      let adapter = try reference.adapter.open()
      let checkpoint = checkpoint
      let plan = try running { () throws(DecoderError) in
        try RunPlan(adapter, on: checkpoint, policy: policy)
      }
      if !plan.folded.operations.isEmpty {
        folded.append(
          WeightedAdapter(plan.folded, weight: reference.weight, label: reference.label))
      }
      beside.append((plan.beside, reference.weight))
    }
    hasFolded = !folded.isEmpty
    let view = try Self.view(of: checkpoint, folded, policy)
    let model = try running { () throws(DecoderError) in try LanguageModel(view) }
    stack = try running { () throws(DecoderError) in
      var entries: [AdapterStack.Entry] = []
      for (adapter, weight) in beside {
        let prepared = try PreparedAdapter(adapter, for: model, policy: policy)
        entries.append(.init(prepared, weight: weight))
      }
      return try AdapterStack(entries, for: model)
    }
    self.model = model
  }

  private static func view(
    of checkpoint: Checkpoint, _ folded: [WeightedAdapter], _ policy: AdaptedCheckpoint.Policy
  ) throws(Failure) -> AdaptedCheckpoint {
    try rethrowing(as: { Failure($0.description, hint: $0.hint) }) {
      () throws(RuntimeError) in
      try AdaptedCheckpoint(checkpoint, applying: folded, policy: policy)
    }
  }

  /// The model without adapters: the same one, unless adapters are part of its weights.
  func withoutAdapters() throws(Failure) -> LanguageModel {
    guard hasFolded else { return model }
    return try running { () throws(DecoderError) in try LanguageModel(checkpoint) }
  }

  /// The files that it was read from.
  var inputs: [FilePath] { checkpoint.inputs + references.flatMap(\.adapter.inputs) }

  private var tokenizerPath: FilePath {
    checkpoint.configPath.removingLastComponent().appending("tokenizer.json")
  }

  /// What makes tokens of text.
  func tokenizer() throws(Failure) -> Tokenizer {
    guard FileStatus(of: tokenizerPath) != nil else {
      throw Failure(
        "\(tokenizerPath) is missing: it makes tokens of text",
        hint: "give tokens: --token-ids 1,2,3")
    }
    return try rethrowing(as: { Failure($0.description) }) { () throws(TokenizerError) in
      try Tokenizer(tokenizerPath)
    }
  }

  /// The same, for a model that is given tokens: it may have none.
  var optionalTokenizer: Tokenizer? { try? Tokenizer(tokenizerPath) }
}
