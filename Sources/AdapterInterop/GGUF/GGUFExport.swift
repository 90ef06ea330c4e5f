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
  private var alpha: Float = 0

  /// - Throws: `InteropError` where nothing of the adapter can be written.
  init(_ adapter: Adapter, for model: GGUFModel) throws {
    (self.adapter, self.model) = (adapter, model)
    var taken: Set<String> = []
    for operation in adapter.operations {
      guard let low = operation.as(AddLowRank.self) else {
        losses.add(.effect, operation, "a GGUF adapter holds low-rank changes alone")
        continue
      }
      guard low.rank > 0 else {
        losses.add(.record, operation, "it has rank 0, and changes nothing")
        continue
      }
      if let reason = reasonNotToWrite(low) {
        losses.add(.effect, operation, reason)
      } else if let name = model.tensorName(of: low.target.name), taken.insert(name).inserted {
        pairs.append(try GGUFPair(low, name, of: adapter, model))
      } else {
        losses.add(.effect, operation, "llama.cpp has no tensor for it, or it changes twice")
      }
    }
    try losses.checkSomethingIsLeft(!pairs.isEmpty)
    alpha = Self.alpha(of: pairs)
    for index in pairs.indices { settle(index) }
    losses.addRecords(of: adapter)
  }

  private func reasonNotToWrite(_ low: AddLowRank) -> String? {
    if low.magnitude != nil { return "a GGUF adapter has no magnitude (DoRA)" }
    if low.experts != nil { return "stacks of experts are not written as GGUF" }
    if low.a.shape.count > 2 { return "a GGUF adapter has no convolutions" }
    guard let name = model.tensorName(of: low.target.name) else {
      return "llama.cpp has no tensor for it in the architecture \(model.architecture.name)"
    }
    if model.isTied, name == "token_embd" || name == "output" {
      return "the base ties its embedding to its output, which llama.cpp cannot change apart"
    }
    return nil
  }

  /// The alpha of most parameters; llama.cpp takes 0 for a scale of 1.
  private static func alpha(of pairs: [GGUFPair]) -> Float {
    let usual = pairs.map(\.pair).usual { Float($0.low.scale * Double($0.low.rank)) } ?? 0
    return usual == 0 || !usual.isFinite ? 1 : usual
  }

  /// Decides what is multiplied into a pair's B.
  private mutating func settle(_ index: Int) {
    let low = pairs[index].pair.low
    let factor = low.scale / (Double(alpha) / Double(low.rank))
    // The nearest alpha that F32 has is the scale, to its last bit.
    if (factor - 1).magnitude <= 0x1p-23 {
      if factor != 1 { losses.add(.rounding, low, "its scale, to the nearest alpha in F32") }
    } else {
      pairs[index].pair.factor = factor
    }
    if pairs[index].pair.rounds { losses.add(.rounding, low, ForeignExport.Loss.foldedScale) }
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
      ], tensors: pairs.flatMap(\.tensors))
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
