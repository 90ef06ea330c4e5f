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
        lose(.effect, operation, "a GGUF adapter holds low-rank changes alone")
        continue
      }
      guard low.rank > 0 else {
        lose(.record, operation, "it has rank 0, and changes nothing")
        continue
      }
      if let reason = reasonNotToWrite(low) {
        lose(.effect, operation, reason)
      } else if let name = model.tensorName(of: low.target.name), taken.insert(name).inserted {
        pairs.append(try GGUFPair(low, name, of: adapter, model))
      } else {
        lose(.effect, operation, "llama.cpp has no tensor for it, or it changes twice")
      }
    }
    guard !pairs.isEmpty else {
      let first = losses.first { $0.kind == .effect }
      throw InteropError(
        .notExpressible, at: first?.place, first?.reason ?? "it has no low-rank change")
    }
    alpha = Self.alpha(of: pairs)
    for index in pairs.indices { settle(index) }
    if adapter.base?.fingerprint != nil {
      losses.append(.init(kind: .record, place: nil, reason: "the base's fingerprint"))
    }
  }

  private func reasonNotToWrite(_ low: AddLowRank) -> String? {
    if low.magnitude != nil { return "a GGUF adapter has no magnitude (DoRA)" }
    if low.experts != nil { return "stacks of experts are not written as GGUF" }
    if low.a.shape.count > 2 { return "a GGUF adapter has no convolutions" }
    if low.aBlocks * low.bBlocks > 1 { return "a GGUF adapter has no blocks" }
    if low.isWide { return "its A is wider than the weight" }
    guard let name = model.tensorName(of: low.target.name) else {
      return "llama.cpp has no tensor for it in the architecture \(model.architecture.name)"
    }
    if model.isTied, name == "token_embd" || name == "output" {
      return "the base ties its embedding to its output, which llama.cpp cannot change apart"
    }
    return nil
  }

  /// The alpha of most parameters; of equally many the first.
  private static func alpha(of pairs: [GGUFPair]) -> Float {
    var counts: [Float: Int] = [:]
    for pair in pairs { counts[pair.alpha, default: 0] += pair.parameterCount }
    let most = counts.values.max()
    let usual = pairs.first { counts[$0.alpha] == most }?.alpha ?? 0
    // llama.cpp takes 0 for a scale of 1.
    return usual == 0 || !usual.isFinite ? 1 : usual
  }

  /// Decides what is multiplied into a pair's B.
  private mutating func settle(_ index: Int) {
    let low = pairs[index].low
    let effective = Double(alpha) / Double(low.rank)
    let factor = low.scale / effective
    // The nearest alpha that F32 has is the scale, to its last bit.
    guard (factor - 1).magnitude > 0x1p-23 else {
      if factor != 1 { lose(.rounding, low, "its scale, to the nearest alpha in F32") }
      return
    }
    pairs[index].factor = factor
    guard factor.significand != 1 || low.b.type != .f32 else { return }
    lose(.rounding, low, "its scale, multiplied into B")
  }

  private mutating func lose(
    _ kind: ForeignExport.Loss.Kind, _ operation: Operation, _ reason: String
  ) {
    losses.append(
      .init(
        kind: kind, place: .operation(operation.name, on: operation.target?.name), reason: reason))
  }

  private mutating func lose(
    _ kind: ForeignExport.Loss.Kind, _ low: AddLowRank, _ reason: String
  ) {
    losses.append(
      .init(kind: kind, place: .operation(AddLowRank.op, on: low.target.name), reason: reason))
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
    return ForeignExport(
      files: [ForeignExport.File(name: "adapter.gguf") { try writer.write(to: $0) }],
      losses: losses, notes: [], isFile: true)
  }
}

/// Two factors on their way into a file.
struct GGUFPair: Sendable {
  let low: AddLowRank
  let name: String
  /// What B is multiplied with besides.
  var factor = 1.0
  private let adapter: Adapter
  private let order: [Int]?

  init(_ low: AddLowRank, _ name: String, of adapter: Adapter, _ model: GGUFModel) throws {
    (self.low, self.name, self.adapter) = (low, name, adapter)
    do throws(InteropError) {
      order = try model.rowOrder(of: name, count: low.outputCount)
    } catch {
      throw InteropError(
        error.kind, at: .operation(AddLowRank.op, on: low.target.name), error.reason)
    }
  }

  var alpha: Float { Float(low.scale * Double(low.rank)) }
  var parameterCount: Int { low.a.count + low.b.count }
  private var isEmbedding: Bool { name == "token_embd" }

  /// Both tensors have one type: that of both, where they agree and GGUF has it.
  private var type: GGUFType {
    guard low.a.type == low.b.type, let type = GGUFType(low.a.type), isPlain else { return .f32 }
    return type
  }

  /// Whether B is stored as it is, but for the order of its rows.
  private var isPlain: Bool { factor == 1 && low.diagonal == nil && low.rowScale == nil }

  var tensors: [GGUFWriter.Tensor] {
    let aShape = isEmbedding ? [low.inputCount, low.rank] : [low.rank, low.inputCount]
    return [
      .init(name: "\(name).weight.lora_a", shape: aShape, type: type) { try aBytes() },
      .init(name: "\(name).weight.lora_b", shape: [low.outputCount, low.rank], type: type) {
        try bBytes()
      },
    ]
  }

  private func aBytes() throws -> [UInt8] {
    let bytes = try stored(low.a)
    guard isEmbedding else { return bytes }
    return transposed(
      bytes, rows: low.rank, columns: low.inputCount, width: type.elementType.bitWidth / 8)
  }

  private func bBytes() throws -> [UInt8] {
    let bytes = isPlain ? try stored(low.b) : try scaled()
    return order.map { rows(bytes, in: $0) } ?? bytes
  }

  private func stored(_ operand: TypedOperand) throws -> [UInt8] {
    guard operand.type != type.elementType else {
      return try OperandBytes.contents(of: operand.operand, adapter)
    }
    return try OperandValues<Double>(operand.operand, of: adapter).values.f32Bytes
  }

  /// row_scale ⊙ B · diag(diagonal) · factor, in F64 and rounded once.
  private func scaled() throws -> [UInt8] {
    var values = try OperandValues<Double>(low.b.operand, of: adapter).values
    let diagonal = try low.diagonal.map {
      try OperandValues<Double>($0.operand, of: adapter).values
    }
    let rowScale = try low.rowScale.map {
      try OperandValues<Double>($0.operand, of: adapter).values
    }
    for row in 0..<low.outputCount {
      for column in 0..<low.rank {
        values[row * low.rank + column] *=
          factor * (diagonal?[column] ?? 1) * (rowScale?[row] ?? 1)
      }
    }
    return values.f32Bytes
  }
}

extension [Double] {
  /// Each rounded to F32, little-endian.
  fileprivate var f32Bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(4 * count)
    for value in self {
      let bits = Float(value).bitPattern
      for shift in stride(from: 0, to: 32, by: 8) {
        bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(shift)))
      }
    }
    return bytes
  }
}
