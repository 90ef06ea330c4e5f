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
  /// The base as it was named.
  let name: String
  let checkpoint: Checkpoint
  private(set) var model: LanguageModel
  private(set) var stack: AdapterStack
  private let references: [WeightedReference]
  private let policy: AdaptedCheckpoint.Policy
  private(set) var adapters: [WeightedAdapter]
  private var hasFolded: Bool
  /// The base without what adapters have made part of it, once somebody has asked for it.
  private let alone = Guarded<LanguageModel?>(nil)

  init(
    _ base: String, _ references: [WeightedReference],
    _ otherBase: AdaptedCheckpoint.Policy.OtherBase
  ) throws(Failure) {
    name = base
    self.references = references
    policy = AdaptedCheckpoint.Policy(
      otherBase: otherBase, choices: BindingChoices(missingBias: .create, ties: .untie))
    let checkpoint = try openCheckpoint(base).decoded()
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
    (model, self.stack, hasFolded) = try Self.load(stack, checkpoint, policy)
  }

  private static func load(
    _ stack: [WeightedAdapter], _ checkpoint: Checkpoint, _ policy: AdaptedCheckpoint.Policy
  ) throws(Failure) -> (LanguageModel, AdapterStack, Bool) {
    try running {
      let plan = try RunPlan(stack, on: checkpoint, policy: policy)
      let (model, stack) = try plan.load()
      return (model, stack, !plan.folded.isEmpty)
    }
  }

  var weights: [Double] { adapters.map(\.weight) }
  var labels: [String] { adapters.map(\.label) }

  /// The adapters and their weights, one in a line.
  var weightLines: String {
    adapters.enumerated().map { index, entry in
      (adapters.count > 1 ? "\(index + 1)  " : "")
        + "\(entry.label.escaped): weight \(entry.weight)\n"
    }.joined()
  }

  /// Gives an adapter another weight. Where all act beside the weights, nothing is read again.
  mutating func reweight(_ place: Int, to weight: Double) throws(Failure) {
    var changed = adapters
    changed[place].weight = weight
    let acting = stack.entries
    if !hasFolded, acting.count == adapters.count {
      let entries = zip(acting, changed).map { AdapterStack.Entry($0.adapter, weight: $1.weight) }
      stack = try running { try AdapterStack(entries, for: model) }
    } else {
      (model, stack, hasFolded) = try Self.load(changed, checkpoint, policy)
    }
    adapters = changed
  }

  /// The model without adapters: the same one, unless adapters are part of its weights.
  func withoutAdapters() throws(Failure) -> LanguageModel {
    guard hasFolded else { return model }
    if let loaded = alone.withLock(\.self) { return loaded }
    let loaded = try running { try LanguageModel(checkpoint) }
    alone.withLock { $0 = loaded }
    return loaded
  }

  /// The files that it was read from.
  var inputs: [FilePath] { checkpoint.inputs + references.flatMap(\.adapter.inputs) }

  private var tokenizerPath: FilePath {
    checkpoint.configPath.removingLastComponent().appending("tokenizer.json")
  }

  /// Returns the tokenizer: the adapter's, if it brings one that is not the base's, or else the base's.
  func tokenizer() throws(Failure) -> Tokenizer {
    if let own = try adaptersTokenizer() { return own }
    guard FileStatus(of: tokenizerPath) != nil else {
      throw Failure(
        "\(tokenizerPath) is missing: text needs it",
        hint: "give tokens: --token-ids 1,2,3")
    }
    return try rethrowing(as: { Failure($0.description) }) { () throws(TokenizerError) in
      try Tokenizer(tokenizerPath)
    }
  }

  /// How conversations are written: as it was chosen, or as the adapter's template says, or the base's; for a model
  /// without one in the form that the tokenizer's tokens show.
  func chatTemplate(
    _ choice: String?, for tokenizer: Tokenizer
  ) throws(Failure) -> ChatTemplate {
    let folder = checkpoint.configPath.removingLastComponent()
    let own = try failingChat { () throws(TokenizerError) in try ChatFiles(folder) }
    if let choice { return try named(choice, own) }
    var brought: [(label: String, files: ChatFiles)] = []
    for weighted in adapters where weighted.weight != 0 {
      let files = try chatFiles(of: weighted)
      if files.hasTemplate, !files.hasTemplate(of: own) { brought.append((weighted.label, files)) }
    }
    if let first = brought.first,
      let other = brought.first(where: { !$0.files.hasTemplate(of: first.files) })
    {
      throw Failure(
        "\(first.label) and \(other.label) bring different chat templates",
        hint: "name the form: --chat-template")
    }
    if let first = brought.first {
      Terminal.report("note", "the chat template is that of \(first.label)")
    }
    return try failingChat { () throws(TokenizerError) in
      let files = brought.first?.files ?? own
      if let template = try files.chatTemplate(withTokensOf: own) { return template }
      return try ChatTemplate(for: tokenizer)
    }
  }

  private func named(_ choice: String, _ own: ChatFiles) throws(Failure) -> ChatTemplate {
    if let form = ChatTemplate(choice) { return form }
    guard choice.hasSuffix(".jinja") else {
      throw Failure(
        "--chat-template \(choice): there is no such form",
        hint: "there are \(ChatTemplate.names.joined(separator: ", ")), and .jinja files",
        status: 64)
    }
    let text = try PromptText.read(.file(choice), holding: "chat template") ?? ""
    return try failingChat { () throws(TokenizerError) in
      try own.chatTemplate(Array(text.utf8), calledAs: choice)
    }
  }

  private func chatFiles(of weighted: WeightedAdapter) throws(Failure) -> ChatFiles {
    var contents: [String: [UInt8]] = [:]
    for file in weighted.adapter.files where ChatFiles.all.contains(file.path.text) {
      guard let tensor = file.tensor else { continue }
      contents[file.path.text] = try failing(FilePath(weighted.label)) {
        try weighted.adapter.contents(of: tensor)
      }
    }
    return try failingChat { () throws(TokenizerError) in
      try ChatFiles(calledAs: weighted.label) { (name) throws(TokenizerError) in contents[name] }
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
