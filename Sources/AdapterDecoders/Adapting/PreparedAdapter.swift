internal import AdapterFormat
internal import AdapterMath
public import AdapterRuntime
public import Adapters
internal import Storage
public import StrictJSON

/// An adapter made ready to run beside a model's weights: its operands widened to F32 and bound to the model's
/// layers. The model is not changed; one adapter may serve any number of sequences at once.
public final class PreparedAdapter: Sendable {
  /// Its name.
  public let name: Name
  /// Bytes that it takes in memory.
  public let byteCount: Int
  /// What the base's samples say.
  public let verdict: BaseVerdict

  let layers: [Int: [LayerChange]]
  let vectors: [Int: VectorChange]
  let prompt: SoftPrompt?
  let prefix: Prefix?

  /// What it does to the outputs of a linear layer.
  enum LayerChange: Sendable {
    case operation(LayerOperation)
    /// DoRA: with m / n for every output.
    case renorm(LayerOperation.Factors, gain: [Float])
  }

  /// What it does to a bias or a norm's weight.
  struct VectorChange: Sendable {
    let update: ParameterUpdate
    let isReplacement: Bool
  }

  /// Rows before the embeddings, [count, hidden].
  struct SoftPrompt: Sendable {
    let rows: [Float]
    let count: Int
  }

  /// Keys and values before those of the input.
  struct Prefix: Sendable {
    let operation: PrependKV
    let values: [Float]
  }

  /// Prepares an adapter.
  ///
  /// - Parameters:
  ///   - adapter: the adapter. What it does to weights must be low-rank changes or scalings of linear layers,
  ///     or changes of vectors; everything else belongs into the model (`RunPlan`).
  ///   - model: whose layers it is bound to.
  ///   - policy: what is accepted that is normally refused.
  /// - Throws: `DecoderError` where it is for another base, or cannot run beside the weights.
  public init(
    _ adapter: Adapter, for model: LanguageModel,
    policy: AdaptedCheckpoint.Policy = AdaptedCheckpoint.Policy()
  ) throws(DecoderError) {
    name = adapter.name
    var builder = Builder(model: model, adapter: adapter)
    let view = try builder.bind(policy)
    verdict = view.verdict
    for tensor in view.tensors { try builder.add(tensor) }
    for operation in adapter.operations { try builder.add(operation) }
    layers = builder.layers
    vectors = builder.vectors
    prompt = builder.prompt
    prefix = builder.prefix
    byteCount = builder.byteCount
  }
}

extension PreparedAdapter {
  private struct Builder {
    let model: LanguageModel
    let adapter: Adapter
    var layers: [Int: [LayerChange]] = [:]
    var vectors: [Int: VectorChange] = [:]
    var prompt: SoftPrompt?
    var prefix: Prefix?
    var byteCount = 0

    init(model: LanguageModel, adapter: Adapter) {
      self.model = model
      self.adapter = adapter
    }

    func bind(_ policy: AdaptedCheckpoint.Policy) throws(DecoderError) -> AdaptedCheckpoint {
      do throws(RuntimeError) {
        return try AdaptedCheckpoint(
          model.checkpoint, applying: adapter.onWeights, policy: policy)
      } catch {
        throw .runtime(adapter: adapter.name, error)
      }
    }

    mutating func add(_ tensor: AdaptedTensor) throws(DecoderError) {
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
        vectors[vector.index] = VectorChange(update: update, isReplacement: isReplacement)
        byteCount += tensor.info.shape.count * 4
      } else {
        throw .notBesideWeights(adapter: adapter.name, name)
      }
    }

    private mutating func load(
      _ change: ParameterChange, _ layer: LinearLayer
    ) throws(DecoderError) -> LayerChange {
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

    mutating func add(_ operation: Adapters.Operation) throws(DecoderError) {
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
      prompt = SoftPrompt(rows: values, count: rows.tokenCount)
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
      prefix = Prefix(operation: operation, values: values)
      byteCount += values.count * 4
    }

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
}

extension StoredMatrix {
  /// ‖(W + scale · B A)ₒ‖ for every output o.
  func rowNorms(with factors: LayerOperation.Factors) -> [Float] {
    let workspace = Workspace()
    let norms = workspace.rows(1, rows)
    let size = 64
    WorkerPool.shared.run((rows + size - 1) / size) { [self] block in
      let outputs = block * size..<min((block + 1) * size, rows)
      unsafe TileMemory.withTile(of: outputs.count * columns) { tile in
        unsafe widen(outputs, into: tile)
        unsafe factors.add(outputs, to: tile)
        for (index, output) in outputs.enumerated() {
          var sum = 0.0
          for column in 0..<columns {
            let value = unsafe Double(tile[index * columns + column])
            sum += value * value
          }
          unsafe norms[0][output] = Float(sum.squareRoot())
        }
      }
    }
    return withExtendedLifetime(workspace) { unsafe Array(norms.elements) }
  }
}

extension LayerOperation.Factors {
  /// Adds some rows of scale · B · A to a tile, [outputs, in].
  fileprivate func add(_ outputs: Range<Int>, to tile: UnsafeMutableBufferPointer<Float>) {
    guard rank > 0 else { return }
    let product = MatrixProduct(
      rows: outputs.count, columns: inputCount, inner: rank, a: (true, outputCount),
      b: (false, inputCount))
    unsafe transposedB.withUnsafeBufferPointer { b in
      unsafe a.withUnsafeBufferPointer { a in
        guard let b = b.baseAddress, let a = a.baseAddress,
          let tile = tile.baseAddress
        else { return }
        unsafe Float.multiplyAdd(product, b + outputs.lowerBound, a, scale: scale, into: tile)
      }
    }
  }
}
