internal import AdapterFormat
public import Operations
package import Checkpoints
internal import Storage
public import StrictJSON
internal import SystemPackage

/// A PEFT adapter as an adapter of ours: each method in a file of its own.
///
/// | PEFT | here |
/// |---|---|
/// | a method's tensors and the fields that shape its mathematics | `operations` |
/// | parameters in full: `modules_to_save`, trained biases, new vocabularies | `replace`, before all others |
/// | what is there and has no effect | `inert`, with the reason |
/// | both files, verbatim, and small files beside them | `source`, `files`: they come back byte for byte |
public struct PEFTImport: Sendable {
  /// The adapter.
  public let adapter: Adapter
  /// What a user should know of the conversion.
  public let notes: [String]

  /// What the user decides where a file leaves a question open.
  public struct Choices: Sendable, Hashable {
    /// Unknown fields of the configuration that mean nothing.
    public var ignoredFields: [Name] = []
    /// How a prefix is laid out whose file cannot say.
    public var prefixOrder: PrefixOrder?

    /// Leaves everything to the file.
    public init(ignoredFields: [Name] = [], prefixOrder: PrefixOrder? = nil) {
      self.ignoredFields = ignoredFields
      self.prefixOrder = prefixOrder
    }
  }

  /// Converts a folder.
  ///
  /// - Parameters:
  ///   - folder: the adapter as PEFT saved it.
  ///   - choices: what the user decides.
  /// - Throws: `InteropError` where anything of it is not understood.
  public init(_ folder: PEFTFolder, choices: Choices = Choices()) throws(InteropError) {
    try self.init(
      folder.configText, folder.config, folder.weights.contents, try CarriedFiles(folder), choices)
  }

  /// Converts what the two files hold, without any beside them.
  ///
  /// - Parameters:
  ///   - config: the text of `adapter_config.json`.
  ///   - weights: `adapter_model.safetensors`.
  ///   - choices: what the user decides.
  /// - Throws: `InteropError` where anything of it is not understood.
  package init(
    config: [UInt8], weights: SafetensorsContents, choices: Choices = Choices()
  ) throws(InteropError) {
    try self.init(
      String(decoding: config, as: UTF8.self),
      try PEFTFolder.parseConfig(config, FilePath(PEFTFolder.configName)), weights, CarriedFiles(),
      choices)
  }

  private init(
    _ text: String, _ value: JSONValue, _ weights: SafetensorsContents, _ files: CarriedFiles,
    _ choices: Choices
  ) throws(InteropError) {
    let config = try PEFTConfig(value)
    try ConfigFields.check(value, config.method, ignoredFields: choices.ignoredFields)
    let meaning = try Self.meaning(config, weights.header.tensors.map(\.info), choices)
    adapter = Adapter(
      name: "default", method: config.method.name, operations: meaning.operations,
      inert: meaning.inert, source: try Self.source(text, weights), files: files.records,
      base: BaseRecord(
        name: config.text("base_model_name_or_path"), revision: config.text("revision"),
        architecture: nil, fingerprint: nil),
      tensors: weights.header.tensors.map { tensor in
        TensorContents(tensor.info, bytes: weights.bytes, offset: weights.offset(of: tensor))
      } + files.tensors)
    notes = meaning.notes + files.notes
    try rethrowing(as: InteropError.format, adapter.checkExpressible)
  }

  /// What a configuration and the tensors beside it mean.
  static func meaning(
    _ config: PEFTConfig, _ infos: [TensorInfo], _ choices: Choices
  ) throws(InteropError) -> PEFTMeaning {
    // Names are cut and compared in many ways: first of all they must not be too long for that.
    try rethrowing(as: InteropError.format) { () throws(FormatError) in
      try AdapterRecord.checkTensors(infos)
    }
    try config.checkSizes(tensors: infos.count)
    var meaning = PEFTMeaning(
      config, try PEFTTensors(infos, parts: PEFTMeaning.parts(of: config.method)))
    try meaning.addReplacements()
    try meaning.addTrainableTokens()
    // Matrices that all modules share have no module; they are taken where their method is read.
    if ![.vera, .pvera].contains(config.method) { try meaning.tensors.checkParametersTaken() }
    try meaning.addMethod(choices)
    try meaning.tensors.checkAllTaken()
    return meaning
  }

  /// Fields of a method's configuration that the lists do not have; nil for a method that is refused.
  package static func unknownFields(of method: String, among fields: [Name]) -> [Name]? {
    PEFTMethod(rawValue: method).map { ConfigFields.unknown(fields, $0) }
  }

  private static func source(
    _ text: String, _ weights: SafetensorsContents
  ) throws(InteropError) -> SourceRecord {
    let header = weights.header
    let canonical = SafetensorsHeader(
      canonical: header.tensors.map(\.info), metadata: [.init("format", "pt")])
    return SourceRecord(
      format: "peft", config: text,
      digest: try storing { () throws(StorageError) in try weights.bytes.digest() },
      header: canonical.text == header.text ? nil : header.text)
  }
}

/// What a PEFT adapter means, as it is found out: operations in order, tensors without effect, notes.
struct PEFTMeaning {
  let config: PEFTConfig
  var tensors: PEFTTensors
  private(set) var operations: [Operation] = []
  var notes: [String] = []

  init(_ config: PEFTConfig, _ tensors: PEFTTensors) {
    self.config = config
    self.tensors = tensors
  }

  var inert: [AdapterRecord.InertTensor] { tensors.inert }

  mutating func append(_ payload: some OperationKind) throws(InteropError) {
    operations.append(
      try rethrowing(as: InteropError.format) { () throws(FormatError) in
        try Operation(payload)
      })
  }

  /// The words that name parts of a method.
  static func parts(of method: PEFTMethod) -> Set<String> {
    let own: Set<String> =
      switch method {
      case .lora:
        [
          "lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B", "lora_magnitude_vector",
          "lora_velora_embed", "lora_monteclora_sampler", "lora_diag",
        ]
      case .adaLoRA: ["lora_A", "lora_B", "lora_E"]
      case .ia3: ["ia3_l"]
      case .promptTuning, .pTuning, .prefixTuning: ["prompt_embeddings"]
      case .lnTuning: ["ln_tuning_layers"]
      case .trainableTokens: []
      case .beft: ["beft_bias"]
      case .loHa: ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"]
      case .loKr:
        [
          "lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2",
        ]
      case .vera: ["vera_lambda_b", "vera_lambda_d"]
      case .pvera: ["pvera_lambda_b", "pvera_lambda_d"]
      case .oft: ["oft_R", "oft_embedding_R"]
      case .boft: ["boft_R", "boft_s"]
      case .hra: ["hra_u"]
      case .hira: ["hira_A", "hira_B", "hira_embedding_A", "hira_embedding_B"]
      case .shira: ["shira_weight", "shira_indices"]
      case .superTuning:
        [
          "supertuning_values", "supertuning_indices", "supertuning_lora_A", "supertuning_lora_B",
        ]
      case .miss: ["miss_block"]
      case .c3a: ["c3a_kernel"]
      case .road: ["road_theta", "road_alpha"]
      case .graLoRA: ["gralora_A", "gralora_B", "gralora_A_general", "gralora_B_general"]
      case .deLoRA: ["delora_A", "delora_B", "delora_lambda", "delora_w_norm"]
      case .fourierFT: ["fourierft_spectrum"]
      }
    return own.union(["trainable_tokens_delta"])
  }

  /// The operations of the method itself.
  mutating func addMethod(_ choices: PEFTImport.Choices) throws(InteropError) {
    switch config.method {
    case .lora: try addLoRA()
    case .adaLoRA: try addAdaLoRA()
    case .ia3: try addIA3()
    case .promptTuning, .pTuning: try addPrompt()
    case .prefixTuning: try addPrefix(choices.prefixOrder)
    case .lnTuning: try addNorms()
    case .trainableTokens: break
    case .beft: try addBiasDeltas()
    case .loHa: try addLoHa()
    case .loKr: try addLoKr()
    case .vera: try addVeRA("vera")
    case .pvera: try addVeRA("pvera")
    case .oft: try addOFT()
    case .boft: try addBOFT()
    case .hra: try addHRA()
    case .hira: try addHiRA()
    case .shira: try addSHiRA()
    case .superTuning: try addSuperTuning()
    case .miss: try addMiSS()
    case .c3a: try addC3A()
    case .road: try addRoAd()
    case .graLoRA: try addGraLoRA()
    case .deLoRA: try addDeLoRA()
    case .fourierFT: try addFourierFT()
    }
    noteUntargeted()
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
