internal import AdapterFormat
internal import Checkpoints
internal import StrictJSON

/// The entry of `lora_adapter_metadata` for one part of a pipeline: a configuration of PEFT, whose rules hold.
struct DiffusersConfig {
  private let config: PEFTConfig
  private let ranks: PEFTRanks
  let usesMagnitudes: Bool
  let hasBiases: Bool

  static let key: Name = "lora_adapter_metadata"

  private init(_ members: [JSONValue.Member]) throws {
    var members = members
    if !members.contains(where: { $0.key == "peft_type" }) {
      members.append(.init("peft_type", .string("LORA")))
    }
    let value = JSONValue.object(members)
    config = try PEFTConfig(value)
    guard config.method.type == "LORA" else {
      throw InteropError(
        .unsupported, at: .field("peft_type", of: Self.key.text), "diffusers holds LoRA alone")
    }
    try config.method.fields.check(value, ignoredFields: [])
    for field: Name in [
      "modules_to_save", "target_parameters", "trainable_token_indices", "use_bdlora",
    ]
    where config[field] != nil {
      throw InteropError(
        .unsupported, at: .field(field, of: Self.key.text), "diffusers has no place for it")
    }
    ranks = try PEFTRanks(config, alpha: "lora_alpha")
    usesMagnitudes = try config.flag("use_dora")
    hasBiases = try config.flag("lora_bias")
  }

  /// The configurations of a header, by component: nil of a file whose names have none.
  ///
  /// - Throws: `InteropError` where the metadata is malformed, or has a field that PEFT does not know.
  static func all(
    in header: [SafetensorsHeader.Entry]
  ) throws -> [PipelineComponent?: DiffusersConfig] {
    guard let text = header.first(where: { $0.key == key })?.value else { return [:] }
    guard case .object(let members)? = try? JSONValue(document: Array(text.utf8), maximumDepth: 16)
    else {
      throw InteropError(.malformed, at: .field("the whole", of: key.text), "is not a JSON object")
    }
    var parts: [PipelineComponent?: [JSONValue.Member]] = [:]
    for member in members {
      let component = PipelineComponent(of: member.key)
      let field = component?.inner(member.key) ?? member.key
      parts[component, default: []].append(.init(field, member.value))
    }
    var result: [PipelineComponent?: DiffusersConfig] = [:]
    for (component, members) in parts { result[component] = try DiffusersConfig(members) }
    return result
  }

  /// The scale of a module, whose rank must be that of its tensors.
  func scale(of module: String, rank: Int) throws -> Double {
    let (expected, scale) = try ranks.numbers(for: Name(module))
    guard expected == rank else {
      throw InteropError(
        .malformed, at: .field("r", of: Self.key.text),
        "gives \(module) the rank \(expected), and its tensors have \(rank)")
    }
    return scale
  }
}
