internal import AdapterFormat
public import Checkpoints
public import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// A training checkpoint that still holds the encoder of a soft prompt or a prefix: the encoder is run
/// once, as PEFT does when it saves, in evaluation mode.
///
/// | tensors below `prompt_encoder.default.` | what is computed of `embedding.weight` |
/// |---|---|
/// | `embedding.weight` alone | itself (prompt tuning, prefix tuning) |
/// | `mlp_head.0`, `.2`, `.4` | Linear, ReLU, Linear, ReLU, Linear (P-tuning) |
/// | `lstm_head.weight_ih_l0`, …, `_reverse`; `mlp_head.0`, `.2` | a bidirectional LSTM, Linear, ReLU, Linear (P-tuning) |
/// | `transform.0`, `.2` | Linear, tanh, Linear (prefix tuning with a projection) |
///
/// All else in the file is training state, and dropped.
public struct RawEncoder: Sendable {
  /// The adapter.
  public let adapter: Adapter
  /// Notes for the user on the conversion.
  public let notes: [String]

  private static let marker = "prompt_encoder"
  /// Rows of a prompt, at most: each goes through all matrices.
  private static let maximumRows = 8192

  /// Returns true if a file holds such an encoder.
  public static func isIn(_ file: SafetensorsFile) -> Bool { isIn(file.contents) }

  /// The same, wherever the bytes are.
  package static func isIn(_ file: SafetensorsContents) -> Bool {
    file.header.tensors.contains { part(of: $0.info.name) != nil }
  }

  /// The name below the encoder; nil for a tensor of something else.
  private static func part(of name: Name) -> String? {
    let path = name.text.split(separator: ".").map(String.init)
    guard let place = path.lastIndex(of: marker) else { return nil }
    let inner = path[(place + 1)...]
    // The adapter's name stands first, unless the encoder was saved alone.
    let heads = ["embedding", "mlp_head", "lstm_head", "transform"]
    return inner.drop { !heads.contains($0) }.joined(separator: ".")
  }

  /// Runs the encoder.
  ///
  /// - Parameters:
  ///   - file: the checkpoint.
  ///   - choices: what the user decides.
  /// - Throws: `InteropError` where the encoder is not whole, or there is no `adapter_config.json`
  ///   beside it.
  public init(
    _ file: SafetensorsFile, choices: ImportChoices = ImportChoices()
  ) throws {
    let (text, value) = try PEFTFolder.readConfig(
      file.file.path.parent.appending(PEFTFolder.configName))
    try self.init(file.contents, text, value, choices)
  }

  /// Runs the encoder of a file that is elsewhere.
  ///
  /// - Parameters:
  ///   - config: the text of `adapter_config.json`.
  ///   - weights: the checkpoint.
  /// - Throws: `InteropError` where the encoder is not whole.
  package init(config: [UInt8], weights: SafetensorsContents) throws {
    let value = try PEFTFolder.parseConfig(config, FilePath(PEFTFolder.configName))
    try self.init(
      weights, String(decoding: config, as: UTF8.self), value, ImportChoices())
  }

  private init(
    _ file: SafetensorsContents, _ text: String, _ value: JSONValue, _ choices: ImportChoices
  ) throws {
    var parts: [String: EncoderMatrix] = [:]
    for tensor in file.header.tensors {
      guard let part = Self.part(of: tensor.info.name) else { continue }
      parts[part] = try EncoderMatrix(tensor, in: file)
    }
    let config = try PEFTConfig(value)
    guard config.method.hasEncoder else {
      throw InteropError.tensors(
        "adapter_config.json is for \(config.method.name), the file holds a prompt encoder")
    }
    try config.method.fields.check(value, ignoredFields: choices.ignoredFields)
    let baked = try Self.bake(parts)
    guard let shape = Shape([UInt64(baked.rows), UInt64(baked.columns)]) else {
      throw InteropError.tensors("a prompt of \(baked.rows) × \(baked.columns)")
    }
    let info = TensorInfo(name: "prompt_embeddings", type: .f32, shape: shape)
    // A head that was trained along is wrapped, and is no training state.
    let saved = file.header.tensors.filter { $0.info.name.text.contains(".modules_to_save.") }
    let meaning = try PEFTMeaning(of: config, [info] + saved.map(\.info), choices)
    adapter = Adapter(
      name: "default", method: config.method.name, operations: meaning.operations,
      inert: meaning.inert,
      source: SourceRecord(format: PEFTFormat.name, config: text, digest: nil, header: nil),
      files: [], base: config.base,
      tensors: [TensorContents(info, bytes: MemoryBytes(baked.bytes), offset: 0)]
        + saved.map { TensorContents($0.info, bytes: file.bytes, offset: file.offset(of: $0)) })
    let dropped = file.header.tensors.count - parts.count - saved.count
    notes =
      meaning.notes + ["the encoder is run once, and its tensors are dropped"]
      + (dropped == 0 ? [] : ["dropped: \(dropped) tensors that do not belong to the encoder"])
    try adapter.checkExpressible()
  }

  private static func bake(_ parts: [String: EncoderMatrix]) throws -> EncoderMatrix {
    func part(_ name: String) throws -> EncoderMatrix {
      guard let part = parts[name] else {
        throw InteropError.tensors("the prompt encoder has no \(name)")
      }
      return part
    }
    func linear(_ name: String, _ input: EncoderMatrix) throws -> EncoderMatrix {
      try input.times(transposed: try part("\(name).weight"), plus: try part("\(name).bias"))
    }
    var rows = try part("embedding.weight")
    guard rows.rows <= maximumRows else {
      throw InteropError.tensors(
        "the prompt encoder has \(rows.rows) rows, more than \(maximumRows)")
    }
    if parts["transform.0.weight"] != nil {
      return try linear("transform.2", linear("transform.0", rows).map { EncoderMatrix.tanh($0) })
    }
    guard parts["mlp_head.0.weight"] != nil else { return rows }
    var layer = 0
    while parts["lstm_head.weight_ih_l\(layer)"] != nil {
      var directions: [EncoderMatrix] = []
      for suffix in ["l\(layer)", "l\(layer)_reverse"] {
        let cell = LSTMCell(
          inputWeight: try part("lstm_head.weight_ih_\(suffix)"),
          hiddenWeight: try part("lstm_head.weight_hh_\(suffix)"),
          inputBias: try part("lstm_head.bias_ih_\(suffix)"),
          hiddenBias: try part("lstm_head.bias_hh_\(suffix)"))
        directions.append(try cell.run(rows, backwards: suffix.hasSuffix("_reverse")))
      }
      rows = directions[0].beside(directions[1])
      layer += 1
    }
    let hidden = try linear("mlp_head.0", rows).map { max($0, 0) }
    guard layer == 0 else { return try linear("mlp_head.2", hidden) }
    return try linear("mlp_head.4", linear("mlp_head.2", hidden).map { max($0, 0) })
  }
}

/// A training checkpoint that holds the encoder of a soft prompt, beside its configuration.
struct PromptEncoderFormat: ForeignFormat {
  var name: String { "prompt_encoder" }
  var title: String { "a prompt encoder" }
  var isCheckpoint: Bool { true }

  func recognises(_ source: ForeignSource) -> Bool {
    source.tensors.map(RawEncoder.isIn) ?? false
  }

  func read(
    _ source: ForeignSource, _ choices: ImportChoices
  ) throws -> ForeignImport {
    let encoder = try RawEncoder(source.openTensors(), choices: choices)
    return try ForeignImport(encoder.adapter, notes: encoder.notes)
  }
}
