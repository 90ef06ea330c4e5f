internal import AdapterFormat
internal import StrictJSON

/// The fields of `adapter_config.json` that LoRA's mathematics needs, all others held against what
/// is known of them.
struct PEFTConfig {
  let rank: Double
  let alpha: Double
  let usesRsLoRA: Bool
  let rankPattern: PEFTPattern
  let alphaPattern: PEFTPattern
  let fanInFanOut: Bool
  private let targetModules: JSONValue?
  let baseName: String?
  let revision: String?

  /// Reads the fields that shape the mathematics; `LoRAFields` judges all others.
  ///
  /// - Parameter value: the configuration's text, parsed.
  /// - Throws: `InteropError` of the field that is missing or impossible.
  init(_ value: JSONValue) throws(InteropError) {
    guard case .object(let members) = value else {
      throw .config(field: "the whole", "is not an object")
    }
    let fields = Dictionary(uniqueKeysWithValues: members.map { ($0.key, $0.value) })
    guard case .string(let method) = fields["peft_type"] else {
      throw .config(field: "peft_type", "missing")
    }
    guard method == "LORA" else { throw .unsupportedMethod(method) }
    rank = try Self.number(fields["r"], "r")
    guard rank >= 1, rank == rank.rounded() else {
      throw .config(field: "r", "must be a positive integer, not \(rank)")
    }
    alpha = try Self.number(fields["lora_alpha"], "lora_alpha")
    usesRsLoRA = try Self.flag(fields["use_rslora"], "use_rslora")
    fanInFanOut = try Self.flag(fields["fan_in_fan_out"], "fan_in_fan_out")
    targetModules = fields["target_modules"]
    rankPattern = try Self.pattern(fields["rank_pattern"], "rank_pattern")
    alphaPattern = try Self.pattern(fields["alpha_pattern"], "alpha_pattern")
    if case .string(let text) = fields["base_model_name_or_path"] {
      baseName = text
    } else {
      baseName = nil
    }
    if case .string(let text) = fields["revision"] { revision = text } else { revision = nil }
  }

  /// Rank of a module, and what its product is multiplied with: lora_alpha / r, or lora_alpha / √r.
  func numbers(for module: Name) throws(InteropError) -> (rank: Int, scale: Double) {
    let rank = rankPattern.match(module)?.value ?? rank
    guard let count = Int(exactly: rank), count >= 1 else {
      throw .config(field: "r or rank_pattern", "gives \(module) the rank \(rank)")
    }
    let alpha = alphaPattern.match(module)?.value ?? alpha
    return (count, alpha / (usesRsLoRA ? rank.squareRoot() : rank))
  }

  /// Whether `target_modules` covers a module: a list of endings, or a regular expression for all of
  /// the name. What it cannot say (a pattern that is not linear, "all-linear") covers everything.
  func targets(_ module: Name) -> Bool {
    switch targetModules {
    case .array(let values):
      values.contains { value in
        guard case .string(let text) = value else { return false }
        return module == Name(text) || module.hasSuffix(Name("." + text))
      }
    case .string(let text) where text != "all-linear":
      (try? LinearRegex("(?:\(text))$"))?.matchesPrefix(of: module.text) ?? true
    default: true
    }
  }

  private static func number(_ value: JSONValue?, _ field: String) throws(InteropError) -> Double {
    guard let value else { throw .config(field: field, "missing") }
    guard let number = value.double else { throw .config(field: field, "is no number") }
    return number
  }

  private static func flag(_ value: JSONValue?, _ field: String) throws(InteropError) -> Bool {
    switch value {
    case nil, .null: false
    case .boolean(let flag): flag
    default: throw .config(field: field, "is neither true nor false")
    }
  }

  private static func pattern(
    _ value: JSONValue?, _ field: String
  ) throws(InteropError) -> PEFTPattern {
    switch value {
    case nil, .null: try PEFTPattern([], field: field)
    case .object(let members): try PEFTPattern(members, field: field)
    default: throw .config(field: field, "is not an object")
    }
  }
}
