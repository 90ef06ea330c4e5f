internal import AdapterFormat
internal import AdapterRuntime
internal import Operations
internal import Storage
internal import StrictJSON

/// Binds an adapter to a model's layers and widens its operands.
struct AdapterPreparation {
  private let model: LanguageModel
  private let adapter: Adapter
  private(set) var layers: [Int: [PreparedAdapter.LayerChange]] = [:]
  private(set) var vectors: [Int: PreparedAdapter.VectorChange] = [:]
  private(set) var prompt: PreparedAdapter.SoftPrompt?
  private(set) var prefix: PreparedAdapter.Prefix?
  private(set) var byteCount = 0

  init(model: LanguageModel, adapter: Adapter) {
    self.model = model
    self.adapter = adapter
  }

  /// Does all of it; returns what the base's samples say.
  mutating func run(_ policy: AdaptedCheckpoint.Policy) throws(DecoderError) -> BaseVerdict {
    let view: AdaptedCheckpoint
    do throws(RuntimeError) {
      view = try AdaptedCheckpoint(
        model.checkpoint, applying: adapter.onWeights, policy: policy)
    } catch {
      throw .runtime(adapter: adapter.name, error)
    }
    for tensor in view.tensors { try add(tensor) }
    for operation in adapter.operations { try add(operation) }
    return view.verdict
  }

  private mutating func add(_ tensor: AdaptedTensor) throws(DecoderError) {
    let name = tensor.info.name
    if let layer = model.layers[name], let index = layer.index, tensor.actsBesideLayer {
      for change in tensor.changes {
        layers[index, default: []].append(try load(change, layer))
      }
    } else if let vector = model.vectors[name], tensor.kind == .changed {
      let update = try reading { () throws(FormatError) in
        try ParameterUpdate(tensor.changes, type: .f32, shape: tensor.info.shape)
      }
      try refuseNonfinite(update.nonfiniteOperands.first)
      let isReplacement = tensor.changes.contains { $0.operation.isReplacement }
      vectors[vector.index] = PreparedAdapter.VectorChange(
        update: update, isReplacement: isReplacement)
      byteCount += tensor.info.shape.count * 4
    } else {
      throw .notBesideWeights(adapter: adapter.name, name)
    }
  }

  private mutating func load(
    _ change: ParameterChange, _ layer: LinearLayer
  ) throws(DecoderError) -> PreparedAdapter.LayerChange {
    let operation = try reading { () throws(FormatError) in
      try LayerOperation(
        change.operation, of: change.adapter, outputCount: layer.weight.rows,
        inputCount: layer.weight.columns)
    }
    switch operation {
    case .scaleInput(let vector), .scaleOutput(let vector): byteCount += vector.count * 4
    case .lowRank(let factors):
      byteCount += (factors.a.count + factors.transposedB.count) * 4
      guard let magnitude = factors.magnitude else { break }
      byteCount += magnitude.count * 4
      let norms = layer.weight.rowNorms(with: factors)
      let gain = zip(magnitude, norms).map { $0 / $1 }
      guard gain.allSatisfy(\.isFinite) else {
        throw .misfit(adapter: adapter.name, "\(layer.name): an output without a norm")
      }
      return .renorm(factors, gain: gain)
    }
    return .operation(operation)
  }

  // MARK: - Virtual tokens

  private mutating func add(_ operation: Operation) throws(DecoderError) {
    switch operation {
    case .prependEmbeddings(let rows): try add(rows)
    case .prependKV(let values): try add(values)
    default: break
    }
  }

  private mutating func add(_ rows: PrependEmbeddings) throws(DecoderError) {
    let width = model.dimensions.hiddenSize
    guard rows.stream == .decoder, prompt == nil, prefix == nil else {
      throw .misfit(adapter: adapter.name, "its prompt is not for a decoder alone")
    }
    guard rows.values.shape[1] == width else {
      throw .misfit(
        adapter: adapter.name,
        "its prompt has rows of \(rows.values.shape[1]) elements, the model's have \(width)")
    }
    let values = try values(rows.values)
    prompt = PreparedAdapter.SoftPrompt(rows: values, count: rows.tokenCount)
    byteCount += values.count * 4
  }

  private mutating func add(_ operation: PrependKV) throws(DecoderError) {
    let size = model.dimensions
    guard operation.stream == .decoder, prompt == nil, prefix == nil else {
      throw .misfit(adapter: adapter.name, "its prefix is not for a decoder alone")
    }
    guard operation.headCount == size.headCount, operation.headDimension == size.headDimension,
      operation.slots.count == size.layerCount
    else {
      throw .misfit(
        adapter: adapter.name,
        "its prefix is for \(operation.slots.count) layers of \(operation.headCount) heads of "
          + "\(operation.headDimension), the model has \(size.layerCount) of \(size.headCount) of "
          + "\(size.headDimension)")
    }
    let values = try values(operation.values)
    prefix = PreparedAdapter.Prefix(operation: operation, values: values)
    byteCount += values.count * 4
  }

  // MARK: - Operands

  private func values(_ operand: TypedOperand) throws(DecoderError) -> [Float] {
    let loaded = try reading { () throws(FormatError) in
      try OperandValues<Float>(operand.operand, of: adapter)
    }
    try refuseNonfinite(loaded.isFinite ? nil : operand.operand.tensor)
    return loaded.values
  }

  private func reading<Value>(
    _ body: () throws(FormatError) -> Value
  ) throws(DecoderError) -> Value {
    try rethrowing(as: { DecoderError.runtime(adapter: adapter.name, .format($0)) }, body)
  }

  private func refuseNonfinite(_ tensor: Name?) throws(DecoderError) {
    if let tensor { throw .runtime(adapter: adapter.name, .nonfiniteAdapter(tensor)) }
  }
}
