internal import AdapterFormat
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// LoRA and what PEFT builds on it.
///
/// | PEFT | here |
/// |---|---|
/// | `M.lora_A` [r, in, k…], `M.lora_B` [out, r, 1…] | `add_low_rank` on `M.weight` |
/// | `M.lora_embedding_A` [r, rows], `M.lora_embedding_B` [dim, r] | the same, stored `in_out` |
/// | `M.lora_magnitude_vector` (DoRA) | its `magnitude` |
/// | `M.lora_B.bias` (`lora_bias`) | `add` on `M.bias` |
/// | attention: `M.lora_A`, `M.base_layer.out_proj.lora_A` | on `M.in_proj_weight`; on `M.out_proj.weight` with twice the parent's scale, as PEFT applies it twice |
/// | `target_parameters`: `M.base_layer….lora_A` [r · E, in] | on `M.PARAMETER`, `experts` E |
/// | `lora_alpha`, `r`, `use_rslora`, `rank_pattern`, `alpha_pattern` | `scale` |
/// | `fan_in_fan_out`, the module's name | `layout`: decided, or left to the base |
extension PEFTMethod {
  static let lora = PEFTMethod(
    type: "LORA", title: "LoRA",
    parts: [
      "lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B", "lora_magnitude_vector",
      "lora_velora_embed", "lora_monteclora_sampler", "lora_diag",
    ],
    fields: loraFields,
    read: { meaning, _ in try meaning.addLoRA() },
    writing: .lora)

  private static let mutatedBase = "the adapter counts on a base that PEFT changed at the start"

  static let loraFields = FieldRules(
    honoured: """
      alpha_pattern bias ensure_weight_tying fan_in_fan_out lora_alpha lora_bias r rank_pattern
      target_parameters trainable_token_indices use_bdlora use_dora use_rslora
      """,
    // qalora_group_size is written into every file; it means something only with use_qalora.
    noEffect: """
      eva_config lora_dropout megatron_config megatron_core monteclora_config qalora_group_size
      runtime_config velora_config
      """,
    only: [
      "init_lora_weights": .only(
        [.boolean(true)] + ["gaussian", "eva", "orthogonal", "mica"].map(JSONValue.string),
        refusing: ["pissa", "olora", "corda", "loftq", "lora_ga"], reason: mutatedBase),
      "corda_config": .only([], reason: mutatedBase),
      "lora_ga_config": .only([], reason: mutatedBase),
      "loftq_config": .only([], reason: mutatedBase),
      "kasa_config": .only([], reason: "it needs a decomposition of the base's weights"),
      "use_qalora": .only([], reason: "it acts on a GPTQ base"),
      "alora_invocation_tokens": .only([], reason: "it acts only after its invocation tokens"),
      "arrow_config": .only([], reason: "it routes by data"),
      "layer_replication": .only([], reason: "it uses layers that the base does not store"),
    ])
}

extension PEFTMeaning {
  fileprivate mutating func addLoRA() throws {
    let ranks = try PEFTRanks(config, alpha: "lora_alpha")
    let layouts = PEFTLayouts(config, tensors.modules.map(\.name))
    let places = try PEFTPlaces(config, tensors.modules)
    for module in tensors.modules {
      tensors.setAside(module, reason: "used in training only") {
        $0.hasPrefix("lora_velora_embed") || $0.hasPrefix("lora_monteclora_sampler")
      }
      guard module.parts.keys.contains(where: { $0.hasPrefix("lora_") }) else { continue }
      let isEmbedding = module.parts["lora_embedding_A"] != nil
      let stem = isEmbedding ? "lora_embedding" : "lora"
      let a = try tensors.take("\(stem)_A", of: module)
      let b = try tensors.take("\(stem)_B", of: module)
      try checkGathered(a, b)
      var place = try places.place(of: module)
      let (rank, scale) = try ranks.numbers(for: place.patternName)
      try checkRank(module.name, a, b, rank: rank)
      if isEmbedding {
        place.target.layout = .inOut
        place.target.layoutSource = .sure
      } else if place.target.layout == nil {
        (place.target.layout, place.target.layoutSource) = layouts.layout(
          of: module.name, a.shape.count > 2)
      }
      var low = AddLowRank(
        target: place.target, a: a, b: b, scale: place.isAppliedTwice ? 2 * scale : scale)
      if let experts = place.experts(a, rank) {
        low.experts = experts
        // Until 0.18 the factors were [r, D1] and [D2, r], and 0.17 did not write its version; later
        // ones depend on the model.
        if a.shape[1] == b.shape[0], config.version.map({ $0 < (0, 19) }) ?? true {
          (low.target.layout, low.target.layoutSource) = (.inOut, .guessed)
        }
      } else if place.isStack {
        // A parameter of two dimensions gets B · A as it is stored.
        (low.target.layout, low.target.layoutSource) = (.outIn, .sure)
      }
      try addBlocks(&low, rank)
      low.magnitude = try tensors.takeIfThere("lora_magnitude_vector", of: module)
      try check("use_dora", of: module, isKept: low.magnitude != nil, "lora_magnitude_vector")
      if module.parts.keys.contains("lora_diag") {
        throw InteropError.unsupportedField(
          "kasa_config", value: "set", "it needs a decomposition of the base's weights")
      }
      try append(low)
      let bias = try tensors.takeIfThere("lora_B.bias", of: module)
      try check("lora_bias", of: module, isKept: bias != nil, "lora_B.bias")
      if let bias {
        try append(Add(target: Target(Name("\(module.name).bias")), delta: bias, scale: scale))
      }
    }
    notes += try ranks.notes(
      try tensors.modules.map { module in
        try places.place(of: module).patternName
      })
  }

  /// A part that a field promises is there, and one that it does not promise is not: PEFT would train without the one,
  /// and drop the other.
  private func check(
    _ field: Name, of module: PEFTTensors.Module, isKept: Bool, _ part: String
  ) throws {
    let isPromised = try config.flag(field)
    guard isPromised != isKept else { return }
    throw InteropError.field(
      field,
      isPromised
        ? "is true, and \(module.name) has no \(part): the file is not all of the adapter"
        : "is false, and \(module.name) has a \(part), which PEFT would not use")
  }

  /// Tensors of a distributed run that was not gathered are flat or empty.
  private func checkGathered(_ operands: TypedOperand...) throws {
    for operand in operands where operand.count == 0 || operand.shape.count < 2 {
      throw InteropError.tensors(
        "tensor \(operand.operand.tensor) has shape \(operand.shape): shards of a distributed run "
          + "that were not gathered before saving")
    }
  }

  /// The configuration's rank is that of the tensors, times the number of experts.
  private func checkRank(
    _ module: Name, _ a: TypedOperand, _ b: TypedOperand, rank: Int
  ) throws {
    if a.shape.count > 2, a.shape[0] == rank, b.shape[1] != rank {
      throw InteropError.tensors(
        "\(module) is a grouped convolution, whose change is none of its own kernel")
    }
    let isStack = config["target_parameters"] != nil
    let isBlocked = config["use_bdlora"] != nil
    let fits = isStack ? a.shape[0].isMultiple(of: rank) : a.shape[0] == rank
    let agrees = a.shape[0] == b.shape[1] || (isBlocked && rank.isMultiple(of: max(1, b.shape[1])))
    guard fits, agrees else {
      throw InteropError.tensors(
        "\(module): the configuration gives rank \(rank), lora_A is \(a.shape), lora_B \(b.shape)")
    }
  }

  /// BD-LoRA keeps one of its factors as blocks below each other.
  private func addBlocks(_ low: inout AddLowRank, _ rank: Int) throws {
    guard case .object(let members) = config["use_bdlora"] else { return }
    let module = low.target.name.dropLast(".weight".utf8.count)
    func names(_ field: Name) -> [String] {
      guard case .array(let values) = members.first(where: { $0.key == field })?.value else {
        return []
      }
      return values.compactMap { if case .string(let text) = $0 { text } else { nil } }
    }
    let blocks =
      members.first { $0.key == "nblocks" }?.value.double.flatMap { Int(exactly: $0) } ?? 1
    func isOne(_ field: Name) -> Bool { names(field).contains { module.text.contains($0) } }
    if isOne("target_modules_bd_b") {
      low.bBlocks = blocks
    } else if isOne("target_modules_bd_a") {
      low.aBlocks = blocks
    }
  }
}
