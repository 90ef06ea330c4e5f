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

  /// Adds what the adapter does to a tensor.
  mutating func add(_ tensor: AdaptedTensor) throws {
    let name = tensor.info.name
    if let layer = model.layers[name], let index = layer.index, tensor.actsBesideLayer {
      for operation in tensor.operations {
        layers[index, default: []].append(try load(operation, layer))
      }
    } else if let vector = model.vectors[name], tensor.kind == .changed {
      let program = try TensorProgram(tensor.operations, type: .f32, shape: tensor.info.shape)
      try refuseNonfinite(program.nonfiniteOperands.first?.operand)
      let isReplacement = tensor.operations.contains { $0.laws?.manner.isReplacement ?? false }
      vectors[vector.index] = PreparedAdapter.VectorProgram(
        program: program, isReplacement: isReplacement)
      byteCount += tensor.info.shape.count * 4
    } else {
      throw AdapterError.notBesideWeights(name)
    }
  }

  private mutating func load(
    _ operation: BoundOperation, _ layer: LinearLayer
  ) throws -> PreparedAdapter.LayerAction {
    guard let kind = operation.layerKind else { throw AdapterError.notBesideWeights(layer.name) }
    let form = try LayerForm(
      kind, of: operation.adapter, outputCount: layer.weight.rows, inputCount: layer.weight.columns)
    switch form {
    case .scaleInput(let vector), .scaleOutput(let vector): byteCount += vector.count * 4
    case .lowRank(let factors):
      byteCount += (factors.a.count + factors.transposedB.count) * 4
      guard let magnitude = factors.magnitude else { break }
      byteCount += magnitude.count * 4
      let norms = layer.weight.rowNorms(with: factors)
      let gain = zip(magnitude, norms).map { $0 / $1 }
      guard gain.allSatisfy(\.isFinite) else {
        throw AdapterError.misfit("\(layer.name): an output without a norm")
      }
      return .renorm(factors, gain: gain)
    }
    return .form(form)
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
