internal import AdapterFormat
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// An adapter as the file that ONNX Runtime loads: `ONNXImport`, backwards, with the scale multiplied into B.
struct ONNXExport {
  private var losses: [ForeignExport.Loss] = []
  private var parameters: [ONNXWriter.Parameter] = []

  /// - Throws: `InteropError` where nothing of the adapter can be written, or it would be too large.
  init(_ adapter: Adapter) throws {
    var taken: Set<Name> = []
    for operation in adapter.operations {
      guard let low = operation.as(AddLowRank.self) else {
        losses.add(.effect, operation, "an adapter of ONNX Runtime holds low-rank changes alone")
        continue
      }
      if low.rank == 0 {
        losses.add(.record, operation, "it has rank 0, and changes nothing")
      } else if let reason = Self.reasonNotToWrite(low) {
        losses.add(.effect, operation, reason)
      } else if !taken.insert(low.target.name).inserted {
        losses.add(.effect, operation, "another one changes the same weight: combine them first")
      } else {
        try write(low, of: adapter)
      }
    }
    try losses.checkSomethingIsLeft(!parameters.isEmpty)
    losses.addRecords(of: adapter)
    guard UInt64(ONNXWriter(parameters: parameters).byteCount) <= FlatBuffer.maximumByteCount else {
      throw InteropError(.notExpressible, "it is over 2 GiB, the most that a FlatBuffer holds")
    }
  }

  var result: ForeignExport {
    let writer = ONNXWriter(parameters: parameters)
    return ForeignExport(
      file: "adapter.onnx_adapter", losses: losses,
      notes: [
        "the graph must have inputs of these names, such as \(parameters[0].name)"
      ]
    ) { file in try writer.write(to: file) }
  }

  private static func reasonNotToWrite(_ low: AddLowRank) -> String? {
    if low.magnitude != nil { return "an adapter of ONNX Runtime has no magnitude (DoRA)" }
    if low.experts != nil { return "an adapter of ONNX Runtime has no stacks of experts" }
    if low.a.shape.count > 2 { return "an adapter of ONNX Runtime has no convolutions" }
    if AnyFamily.isInputEmbedding(low.target.name) {
      return "an adapter of ONNX Runtime has no embeddings"
    }
    return low.target.name.hasSuffix(".weight")
      ? nil : "an adapter of ONNX Runtime changes weights of modules"
  }

  private mutating func write(_ low: AddLowRank, of adapter: Adapter) throws {
    var pair = try PlainPair(low, of: adapter)
    pair.factor = low.scale
    if pair.rounds { losses.add(.rounding, low, ForeignExport.Loss.foldedScale) }
    let module = low.target.name.text.dropLast(".weight".utf8.count)
    let settled = pair
    let (rank, input, output) = (low.rank, pair.inputCount, pair.outputCount)
    let bType = try Self.type(of: settled)
    parameters.append(
      .init(name: module + ".lora_A.weight", dimensions: [input, rank], type: pair.aType) {
        transposed(
          try settled.aBytes(), rows: rank, columns: input,
          width: settled.aType.bitWidth / 8)
      })
    parameters.append(
      .init(name: module + ".lora_B.weight", dimensions: [rank, output], type: bType) {
        let bytes =
          bType == settled.bType
          ? try settled.bBytes() : try settled.bValues().rounded(to: bType)
        return transposed(bytes, rows: output, columns: rank, width: bType.bitWidth / 8)
      })
  }

  /// B's own type, where a product with a power of two is exact in it; F32 at least otherwise.
  private static func type(of pair: PlainPair) throws -> ElementType {
    let (stored, folded) = (pair.low.b.type, pair.bType)
    let limits: ClosedRange<Float>? =
      switch stored {
      case .f16: 0x1p-14...65504
      case .bf16: 0x1p-126...Float.greatestFiniteMagnitude
      default: nil
      }
    guard stored != folded, !pair.rounds, let limits else { return folded }
    let factor = Float(pair.factor).magnitude
    let values = try OperandValues<Float>(pair.low.b.operand, of: pair.adapter).values
    let isExact = values.allSatisfy { $0 == 0 || limits.contains($0.magnitude * factor) }
    return isExact ? stored : folded
  }
}
