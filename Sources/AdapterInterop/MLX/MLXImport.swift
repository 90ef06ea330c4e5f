internal import AdapterFormat
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// An adapter of mlx-lm as operations.
///
/// | the folder | here |
/// |---|---|
/// | of a linear layer `lora_a` [in, r], `lora_b` [r, out] | `add_low_rank`, both transposed |
/// | of an embedding `lora_a` [V, r], `lora_b` [r, dim] | `add_low_rank`, `out_in`: b and a as they are |
/// | of experts `lora_a` [E, r, in], `lora_b` [E, out, r] | `add_low_rank` on each expert's weight |
/// | `m` [out], of an embedding [V] | `magnitude` |
/// | `fine_tune_type` full: parameters | `replace` |
struct MLXImport {
  private let config: MLXConfig
  private let base: Checkpoint?
  private var tensors: FactorTensors
  private var operations: [Operation] = []
  private var inert: [AdapterRecord.InertTensor] = []
  private let digest: Digest?

  /// - Throws: `InteropError` where anything of it is not understood.
  init(_ folder: FilePath, _ choices: ImportChoices) throws {
    config = try MLXConfig(in: folder)
    base = choices.base
    let file = try SafetensorsFile(folder.appending(MLXFormat.weightsName))
    tensors = FactorTensors(file)
    digest = choices.recordsDigest ? try file.file.digest() : nil
    if config.kind == .full { try readParameters() } else { try readModules() }
    guard !operations.isEmpty else {
      throw InteropError(.malformed, at: .file(folder), "it holds no change")
    }
  }

  func result() throws -> ForeignImport {
    try ForeignImport(
      Adapter(
        name: "default", method: config.kind == .full ? "full" : "lora", operations: operations,
        inert: inert,
        source: SourceRecord(
          format: MLXFormat.name, config: config.text, digest: digest, header: nil),
        files: [],
        base: config.model.map {
          BaseRecord(name: $0, revision: nil, architecture: nil, fingerprint: nil)
        }, tensors: tensors.contents))
  }

  // MARK: Whole parameters

  private mutating func readParameters() throws {
    for info in tensors.infos {
      operations.append(
        try Operation(
          Replace(target: Target(info.name), value: try tensors.takeWhole(info))))
    }
  }

  // MARK: Factors

  /// By their last words: `lora_a`, `lora_b`, `m`.
  private typealias Factors = [String: TensorInfo]

  private mutating func readModules() throws {
    var order: [MLXModule] = []
    var factors: [MLXModule: Factors] = [:]
    for info in tensors.infos {
      let leaf = info.name.lastPart.text
      let module = MLXModule(path: String(info.name.text.dropLast(leaf.count + 1)))
      guard ["lora_a", "lora_b", "m"].contains(leaf), !module.path.isEmpty else {
        try setAside(info)
        continue
      }
      if factors[module] == nil { order.append(module) }
      factors[module, default: [:]][leaf] = info
    }
    let last = order.compactMap { $0.inBlock?.number }.max() ?? 0
    let count = max(base?.blockCount ?? 0, last + 1)
    for module in order {
      guard let parts = factors[module] else { continue }
      try check(module, of: count)
      try add(module, parts)
    }
  }

  /// A base's weight in a file that was saved whole.
  private mutating func setAside(_ info: TensorInfo) throws {
    let wrapper = [".linear.", ".embedding."].first(where: info.name.text.contains)
    let inner = wrapper.map {
      Name(info.name.text.replacing($0, with: ".", maxReplacements: 1))
    }
    guard let inner else {
      throw InteropError(
        .unknown, at: .tensor(info.name),
        "not lora_a, lora_b or m, and nothing else is in an adapter of mlx-lm")
    }
    guard let base else {
      throw InteropError(
        .undecided(.base), at: .tensor(info.name),
        "a copy of the base's, and only the base shows if it was changed")
    }
    guard let stored = base.tensor(inner), try tensors.isEqual(info, to: stored) else {
      throw InteropError(
        .unsupported, at: .tensor(info.name), "not what the base has as \(inner)")
    }
    try tensors.keep(info)
    inert.append(.init(tensor: info.name, reason: "the base has the same"))
  }

  /// Refuses what mlx-lm would not load.
  private func check(_ module: MLXModule, of blockCount: Int) throws {
    let place = InteropError.Place.tensor(Name(module.path + ".lora_a"))
    let block = module.inBlock
    if let keys = config.keys, !keys.contains(module.path),
      !keys.contains(block?.path ?? module.path)
    {
      throw InteropError(
        .malformed, at: place, "the module is not one of lora_parameters.keys")
    }
    if let block, let trained = config.blockCount, block.number < blockCount - trained,
      config.keys?.contains(module.path) != true
    {
      throw InteropError(
        .malformed, at: place,
        "block \(block.number) is not one of the last \(trained) of \(blockCount), which num_layers says"
      )
    }
  }

  private mutating func add(_ module: MLXModule, _ parts: Factors) throws {
    guard let a = parts["lora_a"], let b = parts["lora_b"] else {
      throw InteropError(
        .malformed, at: .tensor(Name(module.path)), "half a pair: lora_a or lora_b is missing")
    }
    guard (parts["m"] != nil) == (config.kind == .dora) else {
      throw InteropError(
        .malformed, at: .tensor(Name(module.path + ".m")),
        config.kind == .dora
          ? "missing, and fine_tune_type is dora" : "there, and fine_tune_type is lora")
    }
    if module.isExperts { return try addExperts(module, a, b) }
    guard a.shape.dimensions.count == 2, b.shape.dimensions.count == 2,
      a.shape.dimensions[1] == config.rank, b.shape.dimensions[0] == config.rank
    else {
      throw InteropError(
        .malformed, at: .tensor(a.name),
        "\(a.shape) and \(b.shape) of lora_b are not [in, \(config.rank)] and [\(config.rank), out]"
      )
    }
    let name = module.weight
    var low: AddLowRank
    if isEmbedding(module, a, b) {
      low = AddLowRank(
        target: Target(name, layout: .outIn, layoutSource: .sure), a: try tensors.take(b),
        b: try tensors.take(a), scale: config.scale)
    } else {
      let isOpen = AnyFamily.transposedLeaves.contains(Name(module.path).lastPart)
      low = AddLowRank(
        target: Target(
          name, layout: isOpen ? .unresolved : .outIn, layoutSource: isOpen ? nil : .guessed),
        a: try tensors.take(a, transposing: true), b: try tensors.take(b, transposing: true),
        scale: config.scale)
    }
    low.magnitude = try parts["m"].map { try tensors.take($0) }
    operations.append(try Operation(low))
  }

  /// By its name, unless the base has another shape.
  private func isEmbedding(_ module: MLXModule, _ a: TensorInfo, _ b: TensorInfo) -> Bool {
    let (first, last) = (a.shape.dimensions[0], b.shape.dimensions[1])
    guard first != last, let stored = base?.tensor(module.weight) else {
      return module.isEmbedding
    }
    switch stored.info.shape.dimensions {
    case [first, last]:
      return module.isEmbedding || !AnyFamily.transposedLeaves.contains(Name(module.path).lastPart)
    case [last, first]: return false
    default: return module.isEmbedding
    }
  }

  /// Expert by expert: mlx-lm's stacks under the names of transformers' checkpoints.
  private mutating func addExperts(_ module: MLXModule, _ a: TensorInfo, _ b: TensorInfo) throws {
    let count = b.shape.dimensions.first ?? 0
    guard b.shape.dimensions.count == 3, b.shape.dimensions[2] == config.rank, count > 0,
      a.shape.count % (count * config.rank) == 0
    else {
      throw InteropError(
        .malformed, at: .tensor(a.name),
        "\(a.shape) and \(b.shape) of lora_b are not [E, \(config.rank), in] and [E, out, \(config.rank)]"
      )
    }
    guard let experts = ExpertModule(mlx: module.path) else {
      throw InteropError(
        .unsupported, at: .tensor(a.name), "what transformers calls these experts is not known here"
      )
    }
    let (rank, output) = (config.rank, b.shape.dimensions[1])
    let input = a.shape.count / (count * rank)
    let down = try tensors.take(a, as: [count * rank, input])
    let up = try tensors.take(b, as: [count * output, rank])
    for expert in 0..<count {
      operations.append(
        try Operation(
          AddLowRank(
            target: Target(experts.weight(of: expert), layout: .outIn, layoutSource: .sure),
            a: down.rows(expert * rank..<(expert + 1) * rank),
            b: up.rows(expert * output..<(expert + 1) * output), scale: config.scale)))
    }
  }
}
