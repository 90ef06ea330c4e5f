internal import AdapterFormat
internal import Operations
internal import Storage
internal import StrictJSON

/// An adapter as the GGUF file that llama.cpp loads.
///
/// llama.cpp computes W + (alpha / r) · B · A, r by tensor and alpha by file; so the scale of most parameters is in
/// alpha, and another one is multiplied into its B.
struct GGUFExport {
  private(set) var losses: [ForeignExport.Loss] = []
  private let adapter: Adapter
  private let model: GGUFModel
  private var pairs: [GGUFPair] = []
  private var experts: [GGUFExperts] = []
  private var alpha: Float = 0

  /// - Throws: `InteropError` where nothing of the adapter can be written.
  init(_ adapter: Adapter, for model: GGUFModel) throws {
    (self.adapter, self.model) = (adapter, model)
    var wanted: [AddLowRank] = []
    for operation in adapter.operations {
      guard let low = operation.as(AddLowRank.self) else {
        losses.add(.effect, operation, "a GGUF adapter holds low-rank changes alone")
        continue
      }
      if low.rank == 0 {
        losses.add(.record, operation, "it has rank 0, and changes nothing")
      } else if let reason = reasonNotToWrite(low) {
        losses.add(.effect, operation, reason)
      } else {
        wanted.append(low)
      }
    }
    let (experts, lows) = try ExpertPair.split(wanted, of: adapter, for: model.checkpoint)
    try collect(lows)
    try collect(experts)
    try losses.checkSomethingIsLeft(!pairs.isEmpty || !self.experts.isEmpty)
    alpha = Self.alpha(of: pairs.map(\.entry) + self.experts.map(\.entry))
    for index in pairs.indices { settle(index) }
    for index in self.experts.indices { settleExperts(index) }
    losses.addRecords(of: adapter)
  }

  private mutating func collect(_ lows: [AddLowRank]) throws {
    var taken: Set<String> = []
    for low in lows {
      guard let name = model.tensorName(of: low.target.name) else {
        losses.add(
          .effect, low,
          "llama.cpp has no tensor for it in the architecture \(model.architecture.name)")
        continue
      }
      if model.isTied, name == "token_embd" || name == "output" {
        losses.add(
          .effect, low,
          "the base ties its embedding to its output, which llama.cpp cannot change apart")
      } else if taken.insert(name).inserted {
        pairs.append(try GGUFPair(low, name, of: adapter, model))
      } else {
        losses.add(.effect, low, "another one changes the same weight: combine them first")
      }
    }
  }

  private mutating func collect(_ stacks: [ExpertPair]) throws {
    for pair in stacks {
      guard let name = model.tensorName(of: pair.module) else {
        losses.add(.effect, pair.operation, "nothing says which block its experts are of")
        continue
      }
      experts.append(GGUFExperts(name: name, pair: pair))
    }
  }

  private func reasonNotToWrite(_ low: AddLowRank) -> String? {
    if low.magnitude != nil { return "a GGUF adapter has no magnitude (DoRA)" }
    return low.a.shape.count > 2 ? "a GGUF adapter has no convolutions" : nil
  }

  /// The alpha of most parameters; llama.cpp takes 0 for a scale of 1.
  private static func alpha(of entries: [(value: Float, count: Int)]) -> Float {
    let usual = mostCommon(entries) ?? 0
    return usual == 0 || !usual.isFinite ? 1 : usual
  }

  /// Returns the factor of B besides alpha / rank: 1 if the nearest alpha in F32 gives the scale to its last bit.
  private mutating func factor(_ scale: Double, rank: Int, _ low: AddLowRank) -> Double {
    let factor = scale / (Double(alpha) / Double(rank))
    guard (factor - 1).magnitude <= 0x1p-23 else { return factor }
    if factor != 1 { losses.add(.rounding, low, "its scale, to the nearest alpha in F32") }
    return 1
  }

  private mutating func settle(_ index: Int) {
    let low = pairs[index].pair.low
    pairs[index].pair.factor = factor(low.scale, rank: low.rank, low)
    if pairs[index].pair.rounds { losses.add(.rounding, low, ForeignExport.Loss.foldedScale) }
  }

  private mutating func settleExperts(_ index: Int) {
    let pair = experts[index].pair
    let factor = factor(pair.scale, rank: pair.rank, pair.operation)
    experts[index].factor = factor
    if pair.rounds || factor.significand.magnitude != 1 {
      losses.add(.rounding, pair.operation, ForeignExport.Loss.foldedScale)
    }
  }

  /// The file, which is written when its turn has come.
  var result: ForeignExport {
    let writer = GGUFWriter(
      metadata: [
        ("general.type", .string("adapter")),
        ("general.architecture", .string(model.architecture.name)),
        ("general.name", .string(adapter.name.text)),
        ("adapter.type", .string("lora")),
        ("adapter.lora.alpha", .float32(alpha)),
        ("general.quantization_version", .unsigned(2)),
      ], tensors: pairs.flatMap(\.tensors) + experts.flatMap(\.tensors))
    return ForeignExport(file: "adapter.gguf", losses: losses, notes: []) { file in
      try writer.write(to: file)
    }
  }
}

/// Two factors on their way into a file.
struct GGUFPair: Sendable {
  var pair: PlainPair
  let name: String
  private let order: [Int]?

  init(_ low: AddLowRank, _ name: String, of adapter: Adapter, _ model: GGUFModel) throws {
    self.name = name
    pair = try PlainPair(low, of: adapter)
    do throws(InteropError) {
      order = try model.rowOrder(of: name, count: low.outputCount)
    } catch {
      throw InteropError(
        error.kind, at: .operation(AddLowRank.op, on: low.target.name), error.reason)
    }
  }

  /// Its alpha, and how many parameters have it.
  var entry: (value: Float, count: Int) {
    (Float(pair.low.scale * Double(pair.low.rank)), pair.parameterCount)
  }

  private var isEmbedding: Bool { name == "token_embd" }

  /// Both tensors have one type: that of both, where they agree and GGUF has it.
  private var type: GGUFType {
    guard pair.aType == pair.bType, let type = GGUFType(pair.aType) else { return .f32 }
    return type
  }

  var tensors: [GGUFWriter.Tensor] {
    let (rank, input) = (pair.low.rank, pair.inputCount)
    return [
      .init(
        name: "\(name).weight.lora_a", shape: isEmbedding ? [input, rank] : [rank, input],
        type: type
      ) {
        let bytes = try bytes(pair.aBytes(), pair.aType)
        return isEmbedding
          ? transposed(
            bytes, rows: rank, columns: input, width: type.elementType.bitWidth / 8) : bytes
      },
      .init(name: "\(name).weight.lora_b", shape: [pair.outputCount, rank], type: type) {
        let bytes = try bytes(pair.bBytes(), pair.bType)
        return order.map { rows(bytes, in: $0) } ?? bytes
      },
    ]
  }

  private func bytes(_ bytes: [UInt8], _ stored: ElementType) -> [UInt8] {
    stored == type.elementType
      ? bytes : [Double](widening: bytes, of: stored).rounded(to: type.elementType)
  }
}

/// A stack of experts on its way into a file.
struct GGUFExperts: Sendable {
  let name: String
  let pair: ExpertPair
  /// A factor that is multiplied into B.
  var factor = 1.0

  /// Its alpha, and how many parameters have it.
  var entry: (value: Float, count: Int) {
    (Float(pair.scale * Double(pair.rank)), pair.parameterCount)
  }

  var tensors: [GGUFWriter.Tensor] {
    let (pair, factor) = (pair, factor)
    let type = (factor == 1 ? GGUFType(pair.type) : nil) ?? .f32
    return [
      .init(
        name: "\(name).weight.lora_a", shape: [pair.count, pair.rank, pair.inputCount], type: type
      ) { try pair.aValues(rank: pair.rank).rounded(to: type.elementType) },
      .init(
        name: "\(name).weight.lora_b", shape: [pair.count, pair.outputCount, pair.rank], type: type
      ) { try pair.bValues(rank: pair.rank, times: factor).rounded(to: type.elementType) },
    ]
  }
}
