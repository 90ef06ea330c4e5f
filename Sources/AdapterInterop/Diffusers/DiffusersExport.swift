internal import AdapterFormat
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// An adapter as the LoRA that diffusers loads: `DiffusersImport`, backwards, with PEFT's configuration of each part of
/// the pipeline in the header.
struct DiffusersExport {
  private let choices: ExportChoices
  private var draft: TensorDraft
  private var losses: [ForeignExport.Loss] = []
  private var modules: [PipelineComponent: [Module]] = [:]

  private struct Module {
    let name: Name
    let pair: PlainPair
    var bias: Add?

    var entry: LoRANumbers.Entry {
      LoRANumbers.Entry(name: name, rank: pair.low.rank, scale: pair.low.scale)
    }
  }

  /// - Throws: `InteropError` where nothing of the adapter can be written, or nothing says which part of a pipeline a
  ///   target is of.
  init(_ adapter: Adapter, _ choices: ExportChoices) throws {
    self.choices = choices
    draft = TensorDraft(of: adapter)
    try collectPairs()
    try collectBiases()
    for component in PipelineComponent.allCases { try write(component) }
    try losses.checkSomethingIsLeft(!draft.infos.isEmpty)
    losses.addRecords(of: adapter)
  }

  var result: ForeignExport {
    let (header, keys) = ModelSpec.header(of: choices.metadata)
    let entries =
      [
        SafetensorsHeader.Entry("format", "pt"),
        SafetensorsHeader.Entry(DiffusersConfig.key, metadata),
      ] + header
    let draft = draft
    var export = ForeignExport(
      file: "pytorch_lora_weights.safetensors", losses: losses, notes: []
    ) { file in try draft.write(to: file, metadata: entries) }
    export.carriedKeys = keys
    return export
  }

  // MARK: Finding them

  private mutating func collectPairs() throws {
    var taken: Set<Name> = []
    for operation in draft.adapter.operations where operation.as(Add.self) == nil {
      guard let low = operation.as(AddLowRank.self) else {
        losses.add(.effect, operation, "diffusers holds LoRA alone")
        continue
      }
      if low.rank == 0 {
        losses.add(.record, operation, "it has rank 0, and changes nothing")
      } else if let reason = reasonNotToWrite(low) {
        losses.add(.effect, operation, reason)
      } else if !taken.insert(low.target.name).inserted {
        losses.add(.effect, operation, "another one changes the same weight: combine them first")
      } else {
        let (component, name) = try place(of: low.target.name, ".weight")
        modules[component, default: []].append(
          Module(name: name, pair: try PlainPair(low, of: draft.adapter)))
      }
    }
  }

  private func reasonNotToWrite(_ low: AddLowRank) -> String? {
    if low.experts != nil { return "diffusers has no LoRA of experts" }
    if AnyFamily.isInputEmbedding(low.target.name) { return "diffusers has no LoRA of embeddings" }
    if !low.target.name.hasSuffix(".weight") { return "diffusers changes weights of modules" }
    if low.target.layout == .unresolved {
      return "only the base shows how it is stored: convert it to .adp with --base"
    }
    if low.target.layout == .inOut, low.magnitude != nil {
      return "diffusers' DoRA has a norm for each output, this for each input"
    }
    return nil
  }

  private mutating func collectBiases() throws {
    for operation in draft.adapter.operations {
      guard let add = operation.as(Add.self) else { continue }
      guard add.target.name.hasSuffix(".bias") else {
        losses.add(.effect, operation, "diffusers holds LoRA alone")
        continue
      }
      let (component, name) = try place(of: add.target.name, ".bias")
      guard let index = modules[component]?.firstIndex(where: { $0.name == name }),
        modules[component]?[index].bias == nil
      else {
        losses.add(
          .effect, operation, "diffusers changes biases only beside weights that it changes")
        continue
      }
      modules[component]?[index].bias = add
    }
  }

  private func place(
    of target: Name, _ leaf: String
  ) throws -> (component: PipelineComponent, module: Name) {
    let named = PipelineComponent(of: target)
    guard let component = named ?? choices.component else {
      throw InteropError(
        .undecided(.component), at: .tensor(target),
        "nothing says which part of a pipeline it is of")
    }
    let inner = named == nil ? target : component.inner(target)
    return (component, inner.dropLast(leaf.utf8.count))
  }

  // MARK: Writing

  private mutating func write(_ component: PipelineComponent) throws {
    guard var all = modules[component] else { return }
    if all.contains(where: { $0.pair.low.magnitude != nil }) {
      for module in all where module.pair.low.magnitude == nil {
        losses.add(
          .effect, module.pair.low,
          "diffusers has a magnitude (DoRA) for every change of a part, or for none")
      }
      all.removeAll { $0.pair.low.magnitude == nil }
      modules[component] = all
    }
    let hasBiases = all.contains { $0.bias != nil }
    for module in all {
      try write(module, component)
      let scale = LoRANumbers.scale(of: module.entry)
      if scale != module.pair.low.scale {
        losses.add(.rounding, module.pair.low, "its scale, to the nearest that alpha / r can be")
      }
      if hasBiases { try writeBias(module, component, scale) }
    }
  }

  private func key(_ module: Module, _ component: PipelineComponent, _ part: String) -> Name {
    Name("\(component.rawValue).\(module.name).\(part)")
  }

  private mutating func write(_ module: Module, _ component: PipelineComponent) throws {
    let (pair, low) = (module.pair, module.pair.low)
    if pair.rounds { losses.add(.rounding, low, "its diagonal and row scale, multiplied into B") }
    let (a, b) = (key(module, component, "lora_A.weight"), key(module, component, "lora_B.weight"))
    guard low.target.layout == .inOut else {
      try draft.add(a, pair.aType, pair.aShape, contents: { try pair.aBytes() })
      try draft.add(b, pair.bType, pair.bShape, contents: { try pair.bBytes() })
      guard let magnitude = low.magnitude else { return }
      let kernel = pair.aShape.dropFirst(2).map { _ in 1 }
      return try draft.add(
        key(module, component, "lora_magnitude_vector"), magnitude,
        shape: kernel.isEmpty ? [low.outputCount] : [1, low.outputCount] + kernel)
    }
    let (rank, output, input) = (low.rank, pair.outputCount, pair.inputCount)
    try draft.add(
      a, pair.bType, [rank, output],
      contents: {
        transposed(
          try pair.bBytes(), rows: output, columns: rank, width: pair.bType.bitWidth / 8)
      })
    try draft.add(
      b, pair.aType, [input, rank],
      contents: {
        transposed(try pair.aBytes(), rows: rank, columns: input, width: pair.aType.bitWidth / 8)
      })
  }

  /// The change of a bias, as the weight's scale multiplies it; zeros where there is none.
  private mutating func writeBias(
    _ module: Module, _ component: PipelineComponent, _ scale: Double
  ) throws {
    let name = key(module, component, "lora_B.bias")
    guard let add = module.bias, scale != 0 else {
      let count = module.pair.outputCount
      return try draft.add(name, .f32, [count], contents: { Array(repeating: 0, count: 4 * count) })
    }
    guard add.scale != scale else {
      return try draft.add(name, add.delta, shape: [add.delta.count])
    }
    losses.add(.rounding, add, "its scale is another than that of the weight")
    let (adapter, factor) = (draft.adapter, add.scale / scale)
    try draft.add(
      name, add.delta.type == .f64 ? .f64 : .f32, [add.delta.count],
      rounding: {
        try OperandValues<Double>(add.delta.operand, of: adapter).values.map { $0 * factor }
      })
  }

  // MARK: Header

  /// `lora_adapter_metadata`: the fields that PEFT's LoraConfig needs, below each part's name.
  private var metadata: String {
    var members: [JSONValue.Member] = []
    for (component, modules) in modules.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
      let numbers = LoRANumbers(modules.map(\.entry))
      let fields: [(String, JSONValue)] = [
        ("alpha_pattern", numbers.alphaPattern), ("bias", .string("none")),
        ("fan_in_fan_out", .boolean(false)), ("init_lora_weights", .boolean(true)),
        ("lora_alpha", .shortest(numbers.alpha)),
        ("lora_bias", .boolean(modules.contains { $0.bias != nil })), ("lora_dropout", .number(0)),
        ("peft_type", .string("LORA")), ("r", .count(numbers.rank)),
        ("rank_pattern", numbers.rankPattern), ("target_modules", .names(modules.map(\.name))),
        ("use_dora", .boolean(modules.contains { $0.pair.low.magnitude != nil })),
        ("use_rslora", .boolean(false)),
      ]
      members += fields.map { .init(Name("\(component.rawValue).\($0)"), $1) }
    }
    var writer = JSONWriter(style: .indented)
    writer.value(.object(members))
    return String(decoding: writer.bytes, as: UTF8.self)
  }
}
