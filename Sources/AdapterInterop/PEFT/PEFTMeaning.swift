internal import AdapterFormat
internal import Operations
internal import Storage
internal import StrictJSON

/// What a PEFT adapter means, as it is found out: operations in order, tensors without effect, notes.
struct PEFTMeaning {
  let config: PEFTConfig
  var tensors: PEFTTensors
  private(set) var operations: [Operation] = []
  var notes: [String] = []

  var inert: [AdapterRecord.InertTensor] { tensors.inert }

  /// Finds out what a configuration and the tensors beside it mean. Their values are not looked at.
  ///
  /// - Throws: `InteropError` where anything of them is not understood.
  init(
    of config: PEFTConfig, _ infos: [TensorInfo], _ choices: ImportChoices
  ) throws {
    let method = config.method
    // Names are cut and compared in many ways: first of all they must not be too long for that.
    try AdapterRecord.checkTensors(infos)
    try config.checkSizes(tensors: infos.count)
    self.config = config
    // Any method may have trained tokens beside it.
    tensors = try PEFTTensors(infos, parts: method.parts.union(["trainable_tokens_delta"]))
    try addReplacements()
    try addTrainableTokens(method.tokenField)
    try tensors.checkParametersTaken(except: method.shared)
    try method.read(&self, choices)
    noteUntargeted()
    try tensors.checkAllTaken()
  }

  mutating func append(_ payload: some OperationKind) throws {
    operations.append(
      try Operation(payload))
  }

  /// PEFT would drop tensors of modules that `target_modules` does not name, without a word.
  private mutating func noteUntargeted() {
    let coverage = config.coverage("target_modules")
    let untargeted = tensors.modules.filter {
      // Trained tokens and the inner layers of attention are not named there.
      $0.parent == nil && $0.parts.keys.contains { $0 != "trainable_tokens_delta" }
    }.map(\.name).filter { coverage.covers($0) == false }
    guard let first = untargeted.first, config["target_parameters"] == nil else { return }
    notes.append(
      "target_modules does not name \(first)"
        + (untargeted.count > 1 ? " and \(untargeted.count - 1) more" : "")
        + ": their tensors are used all the same")
  }
}
