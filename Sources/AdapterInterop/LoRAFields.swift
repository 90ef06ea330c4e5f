internal import StrictJSON

/// Every field of PEFT's `LoraConfig` (0.21), and what a value of it means for the mathematics.
enum LoRAFields {
  private enum Rule {
    /// It shapes the mathematics, and is read by `PEFTConfig`.
    case honoured
    /// It has no effect once the adapter is trained, or only repeats what the tensors show.
    case noEffect
    /// It changes the mathematics in a way that is not supported: only these values, or an empty
    /// one, are accepted.
    case only([JSONValue], reason: String)
  }

  private static let laterVersion = "not supported by this version"
  private static let mutatedBase = "the adapter counts on a base that PEFT changed at the start"

  private static let rules: [Name: Rule] = [
    "peft_type": .honoured, "r": .honoured, "lora_alpha": .honoured, "use_rslora": .honoured,
    "rank_pattern": .honoured, "alpha_pattern": .honoured, "fan_in_fan_out": .honoured,
    "base_model_name_or_path": .honoured, "revision": .honoured,

    "auto_mapping": .noEffect, "task_type": .noEffect, "inference_mode": .noEffect,
    "peft_version": .noEffect, "target_modules": .noEffect, "exclude_modules": .noEffect,
    "layers_to_transform": .noEffect, "layers_pattern": .noEffect, "lora_dropout": .noEffect,
    "megatron_config": .noEffect, "megatron_core": .noEffect, "runtime_config": .noEffect,
    "eva_config": .noEffect, "velora_config": .noEffect, "monteclora_config": .noEffect,
    // Written into every file; it means something only with use_qalora.
    "qalora_group_size": .noEffect,

    "init_lora_weights": .only(
      [.boolean(true)]
        + ["gaussian", "eva", "orthogonal", "mica"].map(JSONValue.string), reason: mutatedBase),
    "corda_config": .only([], reason: mutatedBase),
    "lora_ga_config": .only([], reason: mutatedBase),
    "loftq_config": .only([], reason: mutatedBase),
    "kasa_config": .only([], reason: mutatedBase),
    "bias": .only([.string("none")], reason: laterVersion),
    "modules_to_save": .only([], reason: laterVersion),
    "trainable_token_indices": .only([], reason: laterVersion),
    "target_parameters": .only([], reason: laterVersion),
    "use_dora": .only([], reason: laterVersion),
    "lora_bias": .only([], reason: laterVersion),
    "use_bdlora": .only([], reason: laterVersion),
    "ensure_weight_tying": .only([], reason: laterVersion),
    "use_qalora": .only([], reason: "it acts on a GPTQ base"),
    "alora_invocation_tokens": .only([], reason: "it acts only after its invocation tokens"),
    "arrow_config": .only([], reason: "it routes by data"),
    "layer_replication": .only([], reason: "it uses layers that the base does not store"),
  ]

  /// Holds every field of a configuration against the rules.
  ///
  /// - Parameters:
  ///   - config: the configuration, an object.
  ///   - ignoredFields: unknown fields that the user says to mean nothing.
  /// - Throws: `InteropError` of the first field that is not understood.
  static func check(_ config: JSONValue, ignoredFields: [Name]) throws(InteropError) {
    guard case .object(let members) = config else { return }
    for field in ignoredFields {
      guard rules[field] == nil, members.contains(where: { $0.key == field }) else {
        throw .config(field: field.text, "is known or not there, and cannot be ignored")
      }
    }
    for member in members where !ignoredFields.contains(member.key) {
      try check(member.key, member.value)
    }
  }

  private static func check(_ field: Name, _ value: JSONValue) throws(InteropError) {
    switch rules[field] {
    case .honoured, .noEffect: return
    case .only(let values, let reason):
      guard value.isEmpty || values.contains(value) else {
        throw .unsupportedField(field: field.text, value: value.shortText, reason: reason)
      }
    case nil:
      guard value.isEmpty else { throw .unknownField(field.text) }
    }
  }
}

extension JSONValue {
  /// The value for an error message: as JSON, cut after 40 characters.
  fileprivate var shortText: String {
    var writer = JSONWriter()
    writer.value(self)
    let text = String(decoding: writer.bytes, as: UTF8.self)
    return text.count > 40 ? text.prefix(40) + "…" : text
  }
}
