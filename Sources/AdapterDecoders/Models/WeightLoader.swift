internal import AdapterMath
internal import AdapterRuntime
internal import Adapters
internal import Checkpoints
internal import Storage
internal import StrictJSON

/// Fills a model's weights from a checkpoint, or from one seen through adapters, and numbers what adapters
/// may act on.
struct WeightLoader {
  private let view: AdaptedCheckpoint
  private let prefix: String
  private let arena = WeightArena()
  /// Linear layers by the name of their weight.
  private(set) var layers: [Name: LinearLayer] = [:]
  /// Vectors by their name.
  private(set) var vectors: [Name: ModelVector] = [:]
  /// Bytes of all weights.
  private(set) var byteCount = 0

  /// How a linear layer's weight is stored.
  enum Storing {
    /// [out, in].
    case byOutput
    /// [in, out]: GPT-2's `Conv1D`.
    case byInput
  }

  /// - Parameters:
  ///   - view: the weights.
  ///   - prefix: what stands before the names of a model with a head, such as `transformer.`; a checkpoint of
  ///     the bare model has none.
  ///   - probe: a tensor that every model of the kind has.
  init(_ view: AdaptedCheckpoint, prefix: String, probe: String) {
    self.view = view
    self.prefix = view.info(of: Name(prefix + probe)) == nil ? "" : prefix
  }

  private func full(_ name: String) -> Name { Name(prefix + name) }

  // MARK: - Vectors

  /// A vector that has to be there.
  mutating func vector(_ name: String, _ count: Int) throws(DecoderError) -> ModelVector {
    guard let vector = try optionalVector(name, count) else { throw .missingTensor(full(name)) }
    return vector
  }

  /// A vector that some models have.
  mutating func optionalVector(_ name: String, _ count: Int) throws(DecoderError) -> ModelVector? {
    let name = full(name)
    guard let info = view.info(of: name) else { return nil }
    guard info.shape.dimensions == [count] else {
      throw .shape(name, expected: [count], found: info.shape)
    }
    try Self.check(info)
    let bytes = try reading { () throws(RuntimeError) in try view.contents(of: name) ?? [] }
    let values = unsafe [Float](unsafeUninitializedCapacity: count) { values, initialised in
      unsafe bytes.withUnsafeBytes { bytes in
        unsafe Float.widen(
          bytes, of: info.type, into: UnsafeMutableBufferPointer(rebasing: values[..<count]))
      }
      initialised = count
    }
    let vector = ModelVector(name: name, index: vectors.count, values: values)
    vectors[name] = vector
    byteCount += count * 4
    return vector
  }

  // MARK: - Matrices

  /// A linear layer, its bias beside it if the model has one.
  mutating func linear(
    _ module: String, from inputs: Int, to outputs: Int, _ storing: Storing = .byOutput
  ) throws(DecoderError) -> LinearLayer {
    let weight = try matrix(module + ".weight", outputs, inputs, storing)
    let bias = try optionalVector(module + ".bias", outputs)
    let name = full(module + ".weight")
    let layer = LinearLayer(name: name, index: layers.count, weight: weight, bias: bias)
    layers[name] = layer
    return layer
  }

  /// The layer that makes logits: its own weight, at the top level of the checkpoint, or the embedding.
  mutating func head(
    _ embedding: StoredMatrix, isTied: Bool
  ) throws(DecoderError) -> LinearLayer {
    let name: Name = "lm_head.weight"
    guard !isTied || view.changedNames.contains(name) else {
      return LinearLayer(name: name, index: nil, weight: embedding, bias: nil)
    }
    guard view.info(of: name) != nil else { throw .missingTensor(name) }
    let weight = try load(name, embedding.rows, embedding.columns, .byOutput)
    let layer = LinearLayer(name: name, index: layers.count, weight: weight, bias: nil)
    layers[name] = layer
    return layer
  }

  /// A matrix that is no layer's: an embedding.
  mutating func matrix(
    _ name: String, _ rows: Int, _ columns: Int, _ storing: Storing = .byOutput
  ) throws(DecoderError) -> StoredMatrix {
    try load(full(name), rows, columns, storing)
  }

  /// The embedding of the input; adapters may have added rows.
  mutating func embedding(_ name: String, width: Int) throws(DecoderError) -> StoredMatrix {
    let name = full(name)
    guard let info = view.info(of: name) else { throw .missingTensor(name) }
    return try load(name, info.shape.dimensions.first ?? 0, width, .byOutput)
  }

  private mutating func load(
    _ name: Name, _ rows: Int, _ columns: Int, _ storing: Storing
  ) throws(DecoderError) -> StoredMatrix {
    guard let info = view.info(of: name) else { throw .missingTensor(name) }
    let expected = storing == .byOutput ? [rows, columns] : [columns, rows]
    guard info.shape.dimensions == expected else {
      throw .shape(name, expected: expected, found: info.shape)
    }
    try Self.check(info)
    let matrix = unsafe try StoredMatrix(rows: rows, columns: columns, type: info.type, in: arena) {
      memory throws(DecoderError) in
      switch storing {
      case .byOutput: try unsafe fill(memory, name, 0..<rows)
      case .byInput: try unsafe fillTransposed(memory, info, rows, columns)
      }
    }
    byteCount += matrix.byteCount
    return matrix
  }

  private static func check(_ info: TensorInfo) throws(DecoderError) {
    guard [.bf16, .f16, .f32].contains(info.type) else { throw .type(info.name, info.type) }
  }

  // MARK: - Bytes

  /// Rows as stored, to where they stay.
  private func fill(
    _ memory: UnsafeMutableRawBufferPointer, _ name: Name, _ rows: Range<Int>
  ) throws(DecoderError) {
    guard let reader = try reading({ () throws(RuntimeError) in try view.reader(of: name) }) else {
      throw .missingTensor(name)
    }
    try reading { () throws(RuntimeError) in try unsafe reader.read(rows, into: memory) }
  }

  /// Inputs are rows as stored and columns in memory.
  private func fillTransposed(
    _ memory: UnsafeMutableRawBufferPointer, _ info: TensorInfo, _ outputs: Int, _ inputs: Int
  ) throws(DecoderError) {
    let width = info.type.bitWidth / 8
    let size = outputs * width
    let rowsOfBlock = max(1, (1 << 20) / max(1, size))
    let scratch = ScratchMemory()
    for start in stride(from: 0, to: inputs, by: rowsOfBlock) {
      let rows = start..<min(start + rowsOfBlock, inputs)
      let block = unsafe scratch.bytes(count: rows.count * size)
      try unsafe fill(block, info.name, rows)
      for output in 0..<outputs {
        for row in rows {
          let source = ((row - start) * outputs + output) * width
          let target = (output * inputs + row) * width
          for byte in 0..<width { unsafe memory[target + byte] = block[source + byte] }
        }
      }
    }
  }
}

private func reading<Value>(
  _ body: () throws(RuntimeError) -> Value
) throws(DecoderError) -> Value {
  try rethrowing(as: DecoderError.weights, body)
}
