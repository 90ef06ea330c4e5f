internal import AdapterFormat
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// `adapter_config.json` as mlx-lm writes it: every option of the training run, of which a few count.
struct MLXConfig {
  let kind: Kind
  /// The rank of all modules; 0 where whole parameters were trained.
  let rank: Int
  /// The scale of B · A.
  let scale: Double
  /// The modules that were trained: paths inside a block, or whole ones; nil for all.
  let keys: Set<String>?
  /// How many of the last blocks were trained; nil for all.
  let blockCount: Int?
  /// The model, as the training run named it.
  let model: String?
  /// The text.
  let text: String

  /// `fine_tune_type`.
  enum Kind: String {
    case lora
    case dora
    case full
  }

  static let fileName = "adapter_config.json"

  /// - Throws: `InteropError` where it is missing, malformed, or says too little.
  init(in folder: FilePath) throws {
    let path = folder.appending(Self.fileName)
    guard let bytes = try File.ifThere(path)?.contents(limit: 16 << 20) else {
      throw InteropError(
        .notAnAdapter, at: .file(folder), "no \(Self.fileName): the scale is unknown")
    }
    let value = try rethrowing(as: { InteropError(.malformed, at: .file(path), "\($0)") }) {
      () throws(JSONError) in try JSONValue(document: bytes, maximumDepth: 32)
    }
    try self.init(
      ConfigObject(value, of: Self.fileName), text: String(decoding: bytes, as: UTF8.self))
  }

  private init(_ config: ConfigObject, text: String) throws(InteropError) {
    self.text = text
    let name = try config.text("fine_tune_type") ?? "lora"
    guard let kind = Kind(rawValue: name) else {
      throw InteropError(
        .unsupported, at: .field("fine_tune_type", of: config.file, value: "\"\(name)\""),
        "mlx-lm knows lora, dora and full")
    }
    self.kind = kind
    model = try config.text("model")
    let count = try config.integer(config["num_layers"] == nil ? "lora_layers" : "num_layers")
    blockCount = count.flatMap { $0 > 0 ? $0 : nil }
    guard kind != .full else {
      (rank, scale, keys) = (0, 1, nil)
      return
    }
    guard let parameters = try config.object("lora_parameters") else {
      throw config.fault("lora_parameters", "is missing: the scale is unknown")
    }
    guard let rank = try parameters.integer("rank"), rank > 0 else {
      throw config.fault("lora_parameters.rank", "is missing, or not positive")
    }
    guard let scale = try parameters.number("scale") else {
      throw config.fault(
        "lora_parameters.scale",
        "is missing" + (parameters["alpha"] == nil ? "" : ", and alpha is not what mlx-lm reads"))
    }
    (self.rank, self.scale) = (rank, scale)
    keys = try parameters.texts("keys").map { Set($0) }
  }
}
