internal import AdapterFormat
internal import AdapterModels
internal import AdapterRuntime
internal import Operations
internal import Checkpoints
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// A base and its adapters, loaded: what acts beside the weights is beside them, everything else in them.
struct RunModel {
  let checkpoint: Checkpoint
  let model: LanguageModel
  let stack: AdapterStack
  private let references: [WeightedReference]
  private let adapters: [WeightedAdapter]
  private let hasFolded: Bool

  init(
    _ base: String, _ references: [WeightedReference],
    _ otherBase: AdaptedCheckpoint.Policy.OtherBase
  ) throws(Failure) {
    self.references = references
    let policy = AdaptedCheckpoint.Policy(
      otherBase: otherBase, choices: BindingChoices(missingBias: .create, ties: .untie))
    let checkpoint = try rethrowing(as: { Failure($0) }) { () throws(CheckpointError) in
      try Checkpoint(FilePath(base))
    }
    self.checkpoint = checkpoint
    var stack: [WeightedAdapter] = []
    for reference in references {
      stack.append(
        WeightedAdapter(
          try reference.adapter.open(
            for: ImportBase(
              checkpoint: checkpoint, binding: policy.choices, isApplied: true)),
          weight: reference.weight,
          label: reference.label))
    }
    adapters = stack
    let plan = try running {
      try RunPlan(stack, on: checkpoint, policy: policy)
    }
    hasFolded = !plan.folded.isEmpty
    (model, self.stack) = try running { try plan.load() }
  }

  /// The model without adapters: the same one, unless adapters are part of its weights.
  func withoutAdapters() throws(Failure) -> LanguageModel {
    guard hasFolded else { return model }
    return try running { try LanguageModel(checkpoint) }
  }

  /// The files that it was read from.
  var inputs: [FilePath] { checkpoint.inputs + references.flatMap(\.adapter.inputs) }

  private var tokenizerPath: FilePath {
    checkpoint.configPath.removingLastComponent().appending("tokenizer.json")
  }

  /// What makes tokens of text: the adapter's, where it brings one that is not the base's.
  func tokenizer() throws(Failure) -> Tokenizer {
    if let own = try adaptersTokenizer() { return own }
    guard FileStatus(of: tokenizerPath) != nil else {
      throw Failure(
        "\(tokenizerPath) is missing: it makes tokens of text",
        hint: "give tokens: --token-ids 1,2,3")
    }
    return try rethrowing(as: { Failure($0.description) }) { () throws(TokenizerError) in
      try Tokenizer(tokenizerPath)
    }
  }

  private func adaptersTokenizer() throws(Failure) -> Tokenizer? {
    let own = try failing(tokenizerPath) { try File.ifThere(tokenizerPath)?.digest() }
    let brought = adapters.filter { $0.weight != 0 }.compactMap { weighted in
      weighted.adapter.files.first { $0.path == "tokenizer.json" && $0.digest != own }
        .flatMap { file in file.tensor.map { (weighted, file.digest, $0) } }
    }
    guard let (weighted, digest, tensor) = brought.first else { return nil }
    guard brought.allSatisfy({ $0.1 == digest }) else {
      Terminal.report("note", "the adapters bring different tokenizers: the base's is used")
      return nil
    }
    let bytes = try failing(nil) { try weighted.adapter.contents(of: tensor) }
    let name = FilePath(weighted.label).appending("tokenizer.json")
    let tokenizer = try rethrowing(as: { Failure($0.description) }) {
      () throws(TokenizerError) in try Tokenizer(bytes, calledAs: name)
    }
    Terminal.report("note", "the tokenizer is that of \(weighted.label)")
    return tokenizer
  }

  /// The same, for a model that is given tokens: it may have none, or none that can be used here.
  func optionalTokenizer() -> Tokenizer? {
    do throws(Failure) {
      return try tokenizer()
    } catch {
      if FileStatus(of: tokenizerPath) != nil {
        Terminal.report("note", "tokens are shown as numbers: \(error.message)")
      }
      return nil
    }
  }
}
