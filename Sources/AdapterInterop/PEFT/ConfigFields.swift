internal import StrictJSON

/// Every field of PEFT's configurations (0.21), method by method, and what a value of it means for the
/// mathematics: it shapes them, it does not, or it is refused.
enum ConfigFields {
  private enum Rule {
    /// It shapes the mathematics, and is read where the method is.
    case honoured
    /// It has no effect once the adapter is trained, or only repeats what the tensors show.
    case noEffect
    /// It changes the mathematics in a way that is not supported: only these values, or an empty
    /// one, are accepted.
    case only([JSONValue], reason: String)
  }

  private typealias Rules = [Name: Rule]

  private static let mutatedBase = "the adapter counts on a base that PEFT changed at the start"

  /// Fields of all methods.
  private static let common = rules(
    honoured: "peft_type base_model_name_or_path revision modules_to_save",
    noEffect: """
      auto_mapping exclude_modules inference_mode layers_pattern layers_to_transform peft_version
      target_modules task_type
      """)

  private static let lora = rules(
    honoured: """
      alpha_pattern bias ensure_weight_tying fan_in_fan_out lora_alpha lora_bias r rank_pattern
      target_parameters trainable_token_indices use_bdlora use_dora use_rslora
      """,
    // qalora_group_size is written into every file; it means something only with use_qalora.
    noEffect: """
      eva_config lora_dropout megatron_config megatron_core monteclora_config qalora_group_size
      runtime_config velora_config
      """
  ).merging([
    "init_lora_weights": .only(
      [.boolean(true)] + ["gaussian", "eva", "orthogonal", "mica"].map(JSONValue.string),
      reason: mutatedBase),
    "corda_config": .only([], reason: mutatedBase),
    "lora_ga_config": .only([], reason: mutatedBase),
    "loftq_config": .only([], reason: mutatedBase),
    "kasa_config": .only([], reason: "it needs a decomposition of the base's weights"),
    "use_qalora": .only([], reason: "it acts on a GPTQ base"),
    "alora_invocation_tokens": .only([], reason: "it acts only after its invocation tokens"),
    "arrow_config": .only([], reason: "it routes by data"),
    "layer_replication": .only([], reason: "it uses layers that the base does not store"),
  ]) { $1 }

  private static let prompt = rules(
    honoured: "num_transformer_submodules num_virtual_tokens",
    noEffect: "num_attention_heads num_layers token_dim")

  /// The fields of one method besides the common ones.
  private static func own(_ method: PEFTMethod) -> Rules {
    switch method {
    case .lora: lora
    case .adaLoRA:
      lora.merging(
        rules(
          honoured: "init_r",
          noEffect: "beta1 beta2 deltaT orth_reg_weight r target_r tfinal tinit total_step")
      ) { $1 }
      .merging(
        ["use_dora", "lora_bias", "use_rslora", "target_parameters", "use_bdlora"].map {
          (Name($0), Rule.only([], reason: "AdaLoRA does not know it"))
        }
      ) { $1 }
    case .ia3: rules(honoured: "fan_in_fan_out feedforward_modules", noEffect: "init_ia3_weights")
    case .promptTuning:
      prompt.merging(
        rules(
          honoured: "",
          noEffect: """
            prompt_tuning_init prompt_tuning_init_text tokenizer_kwargs tokenizer_name_or_path
            """)
      ) { $1 }
    case .pTuning:
      prompt.merging(
        rules(
          honoured: "",
          noEffect: """
            encoder_dropout encoder_hidden_size encoder_num_layers encoder_reparameterization_type
            """)
      ) { $1 }
    case .prefixTuning:
      prompt.merging(
        rules(
          honoured: "num_attention_heads num_layers token_dim",
          noEffect: "encoder_hidden_size init_weights prefix_projection")
      ) { $1 }
    case .lnTuning: [:]
    case .trainableTokens: rules(honoured: "token_indices", noEffect: "init_weights")
    case .beft: rules(honoured: "", noEffect: "init_weights")
    default: neighbour(method)
    }
  }

  /// The fields of the methods that PEFT has beside the well-known ones.
  private static func neighbour(_ method: PEFTMethod) -> Rules {
    switch method {
    case .loHa:
      rules(
        honoured: "alpha alpha_pattern r rank_pattern",
        noEffect: "init_weights module_dropout rank_dropout use_effective_conv2d")
    case .loKr:
      rules(
        honoured: "alpha alpha_pattern r rank_pattern",
        noEffect: """
          decompose_both decompose_factor init_weights module_dropout rank_dropout
          rank_dropout_scale use_effective_conv2d
          """)
    case .vera, .pvera:
      rules(
        honoured: "bias fan_in_fan_out r sample_at_inference save_projection",
        noEffect: """
          d_initial generator_seed init_weights projection_prng_key pvera_dropout vera_dropout
          """)
    case .oft:
      rules(
        honoured: """
          bias block_share coft eps num_cayley_neumann_terms oft_block_size use_cayley_neumann
          """,
        noEffect: "fan_in_fan_out init_weights module_dropout r")
    case .boft:
      // On a machine without CUDA the number of factors is written and not obeyed: the tensors tell.
      rules(
        honoured: "bias",
        noEffect: """
          boft_block_num boft_block_size boft_dropout boft_n_butterfly_factor fan_in_fan_out
          init_weights
          """)
    case .hra: rules(honoured: "apply_GS bias", noEffect: "init_weights r")
    case .hira:
      rules(honoured: "fan_in_fan_out", noEffect: "hira_dropout init_weights r rank_pattern")
    case .shira:
      rules(honoured: "", noEffect: "fan_in_fan_out init_weights mask_type r random_seed")
    case .superTuning:
      rules(
        honoured: "lora_alpha r",
        noEffect: "init_weights lora_dropout save_precomputed_indices select_top sparsity")
    case .miss: rules(honoured: "bias init_weights", noEffect: "mini_r miss_dropout r")
    case .c3a:
      rules(honoured: "bias", noEffect: "block_size block_size_pattern init_weights")
    case .road: rules(honoured: "group_size variant", noEffect: "init_weights")
    case .graLoRA:
      rules(
        honoured: "alpha bias fan_in_fan_out gralora_k hybrid_r r",
        noEffect: "gralora_dropout init_weights")
    case .deLoRA:
      rules(
        honoured: "bias",
        noEffect: "delora_lambda init_weights lambda_pattern module_dropout r rank_pattern")
    case .fourierFT:
      rules(
        honoured: "bias fan_in_fan_out random_loc_seed scaling",
        noEffect: "init_weights n_frequency n_frequency_pattern")
    default: [:]
    }
  }

  private static func rules(honoured: String, noEffect: String) -> Rules {
    var rules: Rules = [:]
    for field in honoured.split(whereSeparator: \.isWhitespace) {
      rules[Name(String(field))] = .honoured
    }
    for field in noEffect.split(whereSeparator: \.isWhitespace) {
      rules[Name(String(field))] = .noEffect
    }
    return rules
  }

  /// Holds every field of a configuration against the rules.
  ///
  /// - Parameters:
  ///   - config: the configuration, an object.
  ///   - method: its method.
  ///   - ignoredFields: unknown fields that the user says to mean nothing.
  /// - Throws: `InteropError` of the first field that is not understood.
  static func check(
    _ config: JSONValue, _ method: PEFTMethod, ignoredFields: [Name]
  ) throws(InteropError) {
    guard case .object(let members) = config else { return }
    let rules = common.merging(own(method)) { $1 }
    for field in ignoredFields {
      guard rules[field] == nil, members.contains(where: { $0.key == field }) else {
        throw .config(field: field.text, "is known or not there, and cannot be ignored")
      }
    }
    for member in members where !ignoredFields.contains(member.key) {
      try check(member.key, member.value, rules[member.key])
    }
  }

  /// Fields that the lists of a method do not have.
  static func unknown(_ fields: [Name], _ method: PEFTMethod) -> [Name] {
    let rules = common.merging(own(method)) { $1 }
    return fields.filter { rules[$0] == nil }
  }

  private static func check(
    _ field: Name, _ value: JSONValue, _ rule: Rule?
  ) throws(InteropError) {
    switch rule {
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
