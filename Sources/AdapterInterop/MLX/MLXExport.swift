internal import AdapterFormat
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// An adapter as the folder that mlx-lm loads.
///
/// | here | the folder |
/// |---|---|
/// | `add_low_rank` on `M.weight` | `M.lora_a` [in, r], `M.lora_b` [r, out] |
/// | on an embedding | `M.lora_a` [V, r], `M.lora_b` [r, dim] |
/// | on experts | `B.switch_mlp.P.lora_a` [E, r, in], `.lora_b` [E, out, r] |
/// | the scale of most parameters | `lora_parameters.scale`; others are multiplied into B |
/// | the largest rank | `lora_parameters.rank`; the others are filled up with zeros |
/// | `magnitude`, of all | `M.m`, `fine_tune_type` dora |
/// | `replace` alone | `fine_tune_type` full |
struct MLXExport {
  private let adapter: Adapter
  private let base: Checkpoint?
  private var draft: TensorDraft
  private var losses: [ForeignExport.Loss] = []
  private var modules: [MLXModule] = []
  private var rank = 1
  private var scale = 1.0
  private var kind = MLXConfig.Kind.lora

  /// - Throws: `InteropError` where nothing of the adapter can be written.
  init(_ adapter: Adapter, for base: Checkpoint?) throws {
    (self.adapter, self.base) = (adapter, base)
    draft = TensorDraft(of: adapter)
    let areValues = adapter.operations.allSatisfy { $0.as(Replace.self) != nil }
    if areValues, !adapter.operations.isEmpty {
      try writeParameters()
    } else {
      try writeModules()
    }
    try losses.checkSomethingIsLeft(!draft.infos.isEmpty)
    losses.addRecords(of: adapter)
  }

  var result: ForeignExport {
    let (draft, config) = (draft, config)
    var notes: [String] = []
    if modules.contains(where: { $0.isExperts || $0.isEmbedding }) {
      notes.append("mlx-swift-lm has no LoRA of embeddings and experts: mlx-lm loads it")
    } else if !isUniform, kind != .full {
      notes.append(
        "not every block has the same modules, and mlx-swift-lm wants that: mlx-lm loads it")
    }
    return ForeignExport(
      files: [
        ForeignExport.File(name: MLXConfig.fileName, text: config),
        ForeignExport.File(name: MLXFormat.weightsName) { file in
          try draft.write(to: file, metadata: [.init("format", "mlx")])
        },
      ], losses: losses, notes: notes)
  }

  // MARK: Whole parameters

  private mutating func writeParameters() throws {
    kind = .full
    for operation in adapter.operations {
      guard let replace = operation.as(Replace.self) else { continue }
      if replace.absent == .create {
        losses.add(.effect, operation, "mlx-lm loads no parameter that the base has not")
      } else {
        try draft.add(replace.target.name, replace.value)
      }
    }
  }

  // MARK: Factors

  private mutating func writeModules() throws {
    let (experts, lows) = try ExpertPair.split(wanted(), of: adapter, for: base)
    let pairs = try settled(lows)
    let scales =
      pairs.map { ($0.low.scale, $0.parameterCount) }
      + experts.map { ($0.scale, $0.parameterCount) }
    scale = mostCommon(scales.filter { $0.0 != 0 }) ?? 1
    rank = (pairs.map(\.low.rank) + experts.map(\.rank)).max() ?? 1
    for pair in pairs { try write(pair) }
    for pair in experts { try write(pair) }
  }

  /// The changes that a folder of mlx-lm may hold.
  private mutating func wanted() -> [AddLowRank] {
    var lows: [AddLowRank] = []
    for operation in adapter.operations {
      guard let low = operation.as(AddLowRank.self) else {
        losses.add(.effect, operation, "mlx-lm holds low-rank changes, or whole parameters alone")
        continue
      }
      if low.rank == 0 {
        losses.add(.record, operation, "it has rank 0, and changes nothing")
      } else if low.a.shape.count > 2 {
        losses.add(.effect, operation, "mlx-lm has no LoRA of convolutions")
      } else if low.experts == nil, !low.target.name.hasSuffix(".weight") {
        losses.add(.effect, operation, "mlx-lm changes weights of modules")
      } else {
        lows.append(low)
      }
    }
    return lows
  }

  /// Those that can be together: all have a magnitude, or none.
  private mutating func settled(_ lows: [AddLowRank]) throws -> [PlainPair] {
    let usesMagnitudes = lows.contains { $0.magnitude != nil }
    kind = usesMagnitudes ? .dora : .lora
    var pairs: [PlainPair] = []
    var taken: Set<Name> = []
    for low in lows {
      let isEmbedding = MLXModule(of: low.target.name).isEmbedding
      if (low.magnitude != nil) != usesMagnitudes {
        losses.add(.effect, low, "mlx-lm has a magnitude (DoRA) for every change or for none")
      } else if usesMagnitudes, isEmbedding, low.target.layout == .inOut {
        losses.add(
          .effect, low,
          "mlx-lm's DoRA of an embedding has a norm for each token, this for each dimension"
        )
      } else if !taken.insert(low.target.name).inserted {
        losses.add(.effect, low, "another one changes the same weight: combine them first")
      } else {
        pairs.append(try PlainPair(low, of: adapter))
      }
    }
    return pairs
  }

  private mutating func write(_ given: PlainPair) throws {
    var pair = given
    pair.factor = pair.low.scale / scale
    if pair.rounds { losses.add(.rounding, pair.low, ForeignExport.Loss.foldedScale) }
    let module = MLXModule(of: pair.low.target.name)
    modules.append(module)
    let (settled, own, rank) = (pair, pair.low.rank, rank)
    let isEmbedding = module.isEmbedding && pair.low.target.layout == .outIn
    // Factors of the stored embedding [V, dim] are B [V, r] and A [r, dim].
    let (rows, columns) =
      isEmbedding
      ? (pair.outputCount, pair.inputCount) : (pair.inputCount, pair.outputCount)
    let (aType, bType) = isEmbedding ? (pair.bType, pair.aType) : (pair.aType, pair.bType)
    try draft.add(
      Name(module.path + ".lora_a"), aType, [rows, rank],
      contents: {
        isEmbedding
          ? Self.widened(
            try settled.bBytes(), rows: rows, columns: own, to: rank, bType: aType)
          : Self.widened(
            transposed(try settled.aBytes(), rows: own, columns: rows, width: aType.bitWidth / 8),
            rows: rows, columns: own, to: rank, bType: aType)
      })
    try draft.add(
      Name(module.path + ".lora_b"), bType, [rank, columns],
      contents: {
        let bytes =
          isEmbedding
          ? try settled.aBytes()
          : transposed(try settled.bBytes(), rows: columns, columns: own, width: bType.bitWidth / 8)
        return bytes + [UInt8](repeating: 0, count: (rank - own) * columns * bType.bitWidth / 8)
      })
    guard let magnitude = pair.low.magnitude else { return }
    try draft.add(Name(module.path + ".m"), magnitude, shape: [magnitude.count])
  }

  /// A matrix with columns of zeros after its own.
  private static func widened(
    _ bytes: [UInt8], rows: Int, columns: Int, to width: Int, bType type: ElementType
  ) -> [UInt8] {
    guard columns < width else { return bytes }
    let size = type.bitWidth / 8
    var result = [UInt8](repeating: 0, count: rows * width * size)
    for row in 0..<rows {
      result.replaceSubrange(
        row * width * size..<(row * width + columns) * size,
        with: bytes[row * columns * size..<(row + 1) * columns * size])
    }
    return result
  }

  private mutating func write(_ pair: ExpertPair) throws {
    guard kind == .lora else {
      return losses.add(.effect, pair.operation, "mlx-lm has no DoRA of experts")
    }
    let module = MLXModule(path: pair.module.mlxPath)
    modules.append(module)
    let factor = pair.scale / scale
    if pair.rounds || (factor != 1 && factor.significand != 1) {
      losses.add(.rounding, pair.operation, ForeignExport.Loss.foldedScale)
    }
    let rank = rank
    let bType: ElementType = factor == 1 || pair.type == .f64 ? pair.type : .f32
    try draft.add(
      Name(module.path + ".lora_a"), pair.type, [pair.count, rank, pair.inputCount],
      rounding: { try pair.aValues(rank: rank) })
    try draft.add(
      Name(module.path + ".lora_b"), bType, [pair.count, pair.outputCount, rank],
      rounding: { try pair.bValues(rank: rank, times: factor) })
  }

  // MARK: Configuration

  /// The numbers of the blocks that have a module, by its path inside.
  private var blocks: [String: Set<Int>] {
    var result: [String: Set<Int>] = [:]
    for module in modules {
      guard let (number, path) = module.inBlock else { continue }
      result[path, default: []].insert(number)
    }
    return result
  }

  /// Blocks of the model: the base's, or as many as the adapter shows.
  private var blockCount: Int {
    max(base?.blockCount ?? 0, (blocks.values.compactMap { $0.max() }.max() ?? -1) + 1)
  }

  /// True if the blocks with modules are the last ones, and all have the same modules.
  private var isUniform: Bool {
    guard let first = blocks.values.first, let start = first.min() else { return true }
    return first == Set(start..<blockCount) && blocks.values.allSatisfy { $0 == first }
  }

  /// Keys inside blocks where all of the last blocks have them, else whole paths.
  private var config: [UInt8] {
    let (blocks, count) = (blocks, blockCount)
    let outside = modules.filter { $0.inBlock == nil }.map(\.path)
    let keys = isUniform ? Array(blocks.keys) + outside : modules.map(\.path)
    // Without a base the number of its blocks is open: of more than it has, all are meant.
    let first = blocks.values.first?.min() ?? 0
    let layers = base == nil ? (first == 0 ? 1024 : count - first) : count - first
    var writer = JSONWriter(style: .indented)
    writer.object { writer in
      writer.key("fine_tune_type")
      writer.string(kind.rawValue)
      writer.key("num_layers")
      writer.integer(isUniform ? max(1, layers) : count)
      if let name = adapter.base?.name {
        writer.key("model")
        writer.string(name)
      }
      guard kind != .full else { return }
      writer.key("lora_parameters")
      writer.object { writer in
        writer.key("rank")
        writer.integer(rank)
        writer.key("scale")
        writer.number(scale)
        writer.key("dropout")
        writer.number(0)
        writer.key("keys")
        writer.array { writer in for key in keys.sorted() { writer.string(key) } }
      }
    }
    return writer.bytes
  }
}

extension Checkpoint {
  /// Blocks of its longest stack, by the names of its tensors.
  var blockCount: Int {
    names.reduce(0) { max($0, (MLXModule(path: $1.text).inBlock?.number ?? -1) + 1) }
  }
}
