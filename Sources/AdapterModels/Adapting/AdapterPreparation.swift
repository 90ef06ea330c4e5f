internal import AdapterFormat
internal import AdapterRuntime
internal import Operations
internal import Storage
internal import StrictJSON

/// Binds an adapter to a model's layers and widens its operands.
struct AdapterPreparation {
  private let model: LanguageModel
  private let adapter: Adapter
  private(set) var layers: [Int: [PreparedAdapter.LayerAction]] = [:]
  private(set) var vectors: [Int: PreparedAdapter.VectorProgram] = [:]
  private(set) var prompt: PreparedAdapter.SoftPrompt?
  private(set) var prefix: PreparedAdapter.Prefix?
  private(set) var byteCount = 0

  init(model: LanguageModel, adapter: Adapter) {
    self.model = model
    self.adapter = adapter
  }

  /// Adds what the adapter does to tensors, whose operands are read and widened on all processors.
  mutating func add(_ tensors: [AdaptedTensor]) throws {
    let preparation = self
    for action in try tensors.concurrentMap({ tensor throws in try preparation.action(on: tensor) })
    {
      switch action {
      case .layer(let index, let actions):
        layers[index, default: []] += actions
        byteCount += actions.reduce(0) { $0 + $1.byteCount }
      case .vector(let index, let program, let count):
        vectors[index] = program
        byteCount += count * 4
      }
    }
  }

  /// The action on a tensor.
  private enum Action {
    case layer(Int, [PreparedAdapter.LayerAction])
    case vector(Int, PreparedAdapter.VectorProgram, count: Int)
  }

  private func action(on tensor: AdaptedTensor) throws -> Action {
    let name = tensor.info.name
    if let layer = model.layers[name], let index = layer.index, tensor.actsBesideLayer {
      return .layer(index, try tensor.operations.map { try action(of: $0, on: layer) })
    }
    guard let vector = model.vectors[name], tensor.kind == .changed else {
      throw AdapterError.notBesideWeights(name)
    }
    let program = try TensorProgram(tensor.operations, type: .f32, shape: tensor.info.shape)
    try refuseNonfinite(program.nonfiniteOperands.first?.operand)
    let isReplacement = tensor.operations.contains { $0.laws?.manner.isReplacement ?? false }
    return .vector(
      vector.index,
      PreparedAdapter.VectorProgram(program: program, isReplacement: isReplacement),
      count: tensor.info.shape.count)
  }

  private func action(
    of operation: BoundOperation, on layer: LinearLayer
  ) throws -> PreparedAdapter.LayerAction {
    guard let kind = operation.layerKind else { throw AdapterError.notBesideWeights(layer.name) }
    let form = try LayerForm(
      kind, of: operation.adapter, outputCount: layer.weight.rows, inputCount: layer.weight.columns)
    guard case .lowRank(let factors) = form, let magnitude = factors.magnitude else {
      return .form(form)
    }
    let norms = layer.weight.rowNorms(with: factors)
    let gain = zip(magnitude, norms).map { $0 / $1 }
    guard gain.allSatisfy(\.isFinite) else {
      throw AdapterError.misfit("\(layer.name): an output without a norm")
    }
    return .renorm(factors, gain: gain)
  }

  // MARK: - Virtual tokens

  /// Adds what comes before the text.
  mutating func add(_ prompt: Prompt) throws {
    let noun = if case .embeddings = prompt.form { "prompt" } else { "prefix" }
    guard prompt.stream == .decoder, self.prompt == nil, prefix == nil else {
      throw AdapterError.misfit("its \(noun) is not for a decoder alone")
    }
    let size = model.dimensions
    switch prompt.form {
    case .embeddings:
      guard prompt.values.shape[1] == size.hiddenSize else {
        throw AdapterError.misfit(
          "its prompt has rows of \(prompt.values.shape[1]) elements, the model's have "
            + "\(size.hiddenSize)")
      }
      self.prompt = PreparedAdapter.SoftPrompt(
        rows: try values(prompt.values), count: prompt.tokenCount)
    case .keysAndValues(let headCount, let headDimension, let slots):
      guard headCount == size.headCount, headDimension == size.headDimension,
        slots.count == size.layerCount
      else {
        throw AdapterError.misfit(
          "its prefix is for \(slots.count) layers of \(headCount) heads of \(headDimension), the "
            + "model has \(size.layerCount) of \(size.headCount) of \(size.headDimension)")
      }
      prefix = PreparedAdapter.Prefix(
        headCount: headCount, headDimension: headDimension, slots: slots,
        tokenCount: prompt.tokenCount, values: try values(prompt.values))
    }
    byteCount += prompt.values.count * 4
  }

  // MARK: - Operands

  private func values(_ operand: TypedOperand) throws -> [Float] {
    let loaded = try OperandValues<Float>(operand.operand, of: adapter)
    try refuseNonfinite(loaded.isFinite ? nil : operand.operand.tensor)
    return loaded.values
  }

  private func refuseNonfinite(_ tensor: Name?) throws {
    if let tensor { throw AdapterError.nonfinite(tensor) }
  }
}
