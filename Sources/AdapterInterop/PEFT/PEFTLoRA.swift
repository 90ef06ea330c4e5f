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
extension PEFTMeaning {
  mutating func addLoRA() throws(InteropError) {
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
        place.target.layoutSource = .kind
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
          (low.target.layout, low.target.layoutSource) = (.inOut, .flag)
        }
      } else if place.isStack {
        // A parameter of two dimensions gets B · A as it is stored.
        (low.target.layout, low.target.layoutSource) = (.outIn, .kind)
      }
      try addBlocks(&low, rank)
      low.magnitude = try tensors.takeIfThere("lora_magnitude_vector", of: module)
      if module.parts.keys.contains("lora_diag") {
        throw .unsupportedField(
          field: "kasa_config", value: "set",
          reason: "it needs a decomposition of the base's weights")
      }
      try append(low)
      if let bias = try tensors.takeIfThere("lora_B.bias", of: module) {
        try append(Add(target: Target(Name("\(module.name).bias")), delta: bias, scale: scale))
      }
    }
    notes += try ranks.notes(
      try tensors.modules.map { module throws(InteropError) in
        try places.place(of: module).patternName
      })
  }

  /// Tensors of a distributed run that was not gathered are flat or empty.
  private func checkGathered(_ operands: TypedOperand...) throws(InteropError) {
    for operand in operands where operand.count == 0 || operand.shape.count < 2 {
      throw .tensors(
        "tensor \(operand.operand.tensor) has shape \(operand.shape): shards of a distributed run "
          + "that were not gathered before saving")
    }
  }

  /// The configuration's rank is that of the tensors, times the number of experts.
  private func checkRank(
    _ module: Name, _ a: TypedOperand, _ b: TypedOperand, rank: Int
  ) throws(InteropError) {
    if a.shape.count > 2, a.shape[0] == rank, b.shape[1] != rank {
      throw .tensors("\(module) is a grouped convolution, whose change is none of its own kernel")
    }
    let isStack = config["target_parameters"] != nil
    let isBlocked = config["use_bdlora"] != nil
    let fits = isStack ? a.shape[0].isMultiple(of: rank) : a.shape[0] == rank
    let agrees = a.shape[0] == b.shape[1] || (isBlocked && rank.isMultiple(of: max(1, b.shape[1])))
    guard fits, agrees else {
      throw .tensors(
        "\(module): the configuration gives rank \(rank), lora_A is \(a.shape), lora_B \(b.shape)")
    }
  }

  /// BD-LoRA keeps one of its factors as blocks below each other.
  private func addBlocks(_ low: inout AddLowRank, _ rank: Int) throws(InteropError) {
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

/// The parameter that a wrapped module's change is for.
struct PEFTPlace {
  var target: Target
  /// What `rank_pattern` and `alpha_pattern` are matched against.
  let patternName: Name
  /// Whether PEFT applies the change twice.
  let isAppliedTwice: Bool
  /// Whether it is one of `target_parameters`.
  let isStack: Bool

  /// Experts in a stack; nil for a single weight.
  func experts(_ a: TypedOperand, _ rank: Int) -> Int? {
    isStack && a.shape[0] > rank ? a.shape[0] / rank : nil
  }
}

/// The places of all modules of an adapter.
private struct PEFTPlaces {
  private let parents: Set<Name>
  /// `target_parameters`: the module, which may be empty, and the parameter in it.
  private let parameters: [(parent: Name, leaf: String)]
  /// How deep the wrappers of each module are, the outermost first.
  private let depths: [Name: [Int]]

  init(_ config: PEFTConfig, _ modules: [PEFTTensors.Module]) throws(InteropError) {
    parents = Set(modules.compactMap(\.parent))
    parameters = try config.texts("target_parameters").compactMap { entry in
      let parts = entry.split(separator: ".").map(String.init)
      return parts.last.map { (Name(parts.dropLast().joined(separator: ".")), $0) }
    }
    depths = Dictionary(grouping: modules, by: \.name).mapValues {
      $0.map(\.depth).sorted(by: >)
    }
  }

  func place(of module: PEFTTensors.Module) throws(InteropError) -> PEFTPlace {
    if let parent = module.parent, module.name == Name("\(parent).out_proj") {
      return PEFTPlace(
        target: Target(Name("\(module.name).weight"), layout: .outIn, layoutSource: .kind),
        patternName: parent, isAppliedTwice: true, isStack: false)
    }
    if parents.contains(module.name) {
      return PEFTPlace(
        target: Target(Name("\(module.name).in_proj_weight"), layout: .outIn, layoutSource: .kind),
        patternName: module.name, isAppliedTwice: false, isStack: false)
    }
    if let parameter = try parameter(of: module) {
      return PEFTPlace(
        target: Target(parameter, layout: .unresolved), patternName: parameter,
        isAppliedTwice: false, isStack: true)
    }
    guard module.depth == 0 else {
      throw .tensors("\(module.name) is wrapped more than once, and nothing says by what")
    }
    return PEFTPlace(
      target: Target(Name("\(module.name).weight")), patternName: module.name,
      isAppliedTwice: false, isStack: false)
  }

  /// The order in which modules declare their parameters: the first is wrapped innermost.
  private static let declarationOrder = ["gate_up_proj", "gate_up_proj_bias", "down_proj"]

  /// The parameter that `target_parameters` means for a wrapper: the tensors' names do not say it.
  private func parameter(of module: PEFTTensors.Module) throws(InteropError) -> Name? {
    let leaves = parameters.filter { parent, _ in
      parent.text.isEmpty || module.name == parent || module.name.hasSuffix(Name(".\(parent)"))
    }.map(\.leaf)
    guard !leaves.isEmpty else { return nil }
    let depths = depths[module.name] ?? []
    let known = Self.declarationOrder.filter(leaves.contains)
    let ordered = leaves.count == 1 ? leaves : known
    guard ordered.count == leaves.count, let place = depths.firstIndex(of: module.depth),
      depths.count == ordered.count
    else {
      let names = leaves.prefix(4).joined(separator: ", ")
      throw .tensors("\(module.name): nothing says which of \(names) its tensors are for")
    }
    return Name("\(module.name).\(ordered[place])")
  }
}

/// What a file says of how its modules are stored.
struct PEFTLayouts {
  private let believesFlag: Bool

  /// The flag is one for the whole adapter, and the last layer that PEFT wrapped has set it: it is
  /// believed only where all layers have such a name.
  init(_ config: PEFTConfig, _ modules: [Name]) {
    let isSet = (try? config.flag("fan_in_fan_out")) ?? false
    believesFlag = isSet && modules.allSatisfy(Self.isTransposable)
  }

  /// Whether some models store a layer of this name transposed, as GPT-2 and its kin do (`Conv1D`). Other
  /// models give the same names to ordinary linear layers.
  private static func isTransposable(_ module: Name) -> Bool {
    AnyFamily.transposedLeaves.contains(module.lastPart)
  }

  /// What is known without a base.
  func layout(of module: Name, _ isConvolution: Bool = false) -> (Layout, LayoutSource?) {
    if isConvolution { return (.outIn, .kind) }
    guard Self.isTransposable(module) else { return (.outIn, .name) }
    return believesFlag ? (.inOut, .flag) : (.unresolved, nil)
  }
}
