internal import AdapterFormat
package import Operations
internal import StrictJSON

/// How an adapter was trained, as far as its recorded configuration tells. For people: nothing is computed from it.
package struct TrainingFacts: Sendable {
  /// The method's name: `LoRA`.
  package let method: String
  /// Variants that the configuration switches on: `DoRA`.
  package private(set) var variants: [String] = []
  /// `lora_alpha`; nil where modules have their own.
  package private(set) var alpha: Double?
  /// The share of inputs that were dropped.
  package private(set) var dropout: Double?
  /// `CAUSAL_LM`.
  package private(set) var task: String?
  /// The version of PEFT.
  package private(set) var version: String?
}

extension TrainingFacts {
  private static let variants: [(field: Name, title: String)] = [
    ("use_dora", "DoRA"), ("use_rslora", "rsLoRA"), ("use_bdlora", "BD-LoRA"),
  ]

  /// Reads what there is; an adapter of another source has its method's name alone.
  package init(of adapter: Adapter) {
    let known = PEFTMethod.all.first { $0.name == adapter.method }
    method = known?.title ?? adapter.method
    guard let text = adapter.source?.config,
      let value = try? JSONValue(document: Array(text.utf8), maximumDepth: 32),
      let config = try? PEFTConfig(value)
    else { return }
    variants = Self.variants.filter { Self.isOn(config[$0.field]) }.map(\.title)
    if !Self.isOn(config["alpha_pattern"]) {
      alpha = (config["lora_alpha"] ?? config["alpha"])?.double
    }
    dropout = config["lora_dropout"]?.double.flatMap { $0 > 0 ? $0 : nil }
    task = config.text("task_type")
    version = config.text("peft_version")
  }

  private static func isOn(_ value: JSONValue?) -> Bool {
    switch value {
    case .boolean(let flag): flag
    case .object(let members): !members.isEmpty
    default: false
    }
  }
}
