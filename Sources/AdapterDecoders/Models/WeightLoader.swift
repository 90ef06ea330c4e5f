internal import AdapterMath
internal import AdapterRuntime
internal import Adapters
internal import Checkpoints
internal import Storage
internal import StrictJSON

/// Fills a model's weights from a checkpoint, or from one seen through adapters, and numbers what adapters
/// may act on.
struct WeightLoader {
  private let checkpoint: Checkpoint
  private let view: AdaptedCheckpoint?
  private let prefix: String
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

  /// - Parameter prefix: what stands before the names of a model with a head, such as `transformer.`; a
  ///   checkpoint of the bare model has none.
  init(_ checkpoint: Checkpoint, through view: AdaptedCheckpoint?, prefix: String, probe: String) {
    self.checkpoint = checkpoint
    self.view = view
    self.prefix = checkpoint.tensor(Name(prefix + probe)) == nil ? "" : prefix
  }

  private func full(_ name: String) -> Name { Name(prefix + name) }

  private func info(_ name: Name) -> TensorInfo? {
    view?.changedInfo(of: name) ?? checkpoint.tensor(name)?.info
  }

  /// Whether the model has a tensor, its name without the prefix.
  func has(_ name: String) -> Bool { info(full(name)) != nil }

  // MARK: - Vectors

  /// A vector that has to be there.
  mutating func vector(_ name: String, _ count: Int) throws(DecoderError) -> ModelVector {
    guard let vector = try optionalVector(name, count) else { throw .missingTensor(full(name)) }
    return vector
  }

  /// A vector that some models have.
  mutating func optionalVector(_ name: String, _ count: Int) throws(DecoderError) -> ModelVector? {
    let name = full(name)
    guard let info = info(name) else { return nil }
    guard info.shape.dimensions == [count] else {
      throw .shape(name, expected: [count], found: info.shape)
    }
    try Self.check(info)
    let bytes = try contents(of: name)
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
    guard !isTied || view?.changedInfo(of: name) != nil else {
      return LinearLayer(name: name, index: nil, weight: embedding, bias: nil)
    }
    guard info(name) != nil else { throw .missingTensor(name) }
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
    guard let info = info(name) else { throw .missingTensor(name) }
    return try load(name, info.shape.dimensions.first ?? 0, width, .byOutput)
  }

  private mutating func load(
    _ name: Name, _ rows: Int, _ columns: Int, _ storing: Storing
  ) throws(DecoderError) -> StoredMatrix {
    guard let info = info(name) else { throw .missingTensor(name) }
    let expected = storing == .byOutput ? [rows, columns] : [columns, rows]
    guard info.shape.dimensions == expected else {
      throw .shape(name, expected: expected, found: info.shape)
    }
    try Self.check(info)
    let matrix = unsafe try StoredMatrix(rows: rows, columns: columns, type: info.type) {
      memory throws(DecoderError) in
      switch storing {
      case .byOutput: try unsafe fill(memory, name, 0..<memory.count)
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

  private func contents(of name: Name) throws(DecoderError) -> [UInt8] {
    if let view, view.changedInfo(of: name) != nil {
      do throws(RuntimeError) {
        return try view.contents(of: name) ?? []
      } catch {
        throw .runtime(adapter: view.adapter.adapter.name, error)
      }
    }
    guard let tensor = checkpoint.tensor(name) else { throw .missingTensor(name) }
    return try readingBase { () throws(StorageError) in
      try tensor.file.bytes(at: tensor.offset, count: tensor.info.byteCount)
    }
  }

  /// A part of a tensor's bytes, read to where they stay.
  private func fill(
    _ memory: UnsafeMutableRawBufferPointer, _ name: Name, _ range: Range<Int>
  ) throws(DecoderError) {
    if view?.changedInfo(of: name) != nil {
      let bytes = try contents(of: name)
      unsafe memory.copyBytes(from: bytes[range])
      return
    }
    guard let tensor = checkpoint.tensor(name) else { throw .missingTensor(name) }
    try readingBase { () throws(StorageError) in
      try unsafe tensor.file.read(at: tensor.offset + UInt64(range.lowerBound), into: memory)
    }
  }

  /// Inputs are rows as stored and columns in memory.
  private func fillTransposed(
    _ memory: UnsafeMutableRawBufferPointer, _ info: TensorInfo, _ outputs: Int, _ inputs: Int
  ) throws(DecoderError) {
    let width = info.type.bitWidth / 8
    let rowsOfBlock = max(1, (1 << 20) / max(1, outputs * width))
    for start in stride(from: 0, to: inputs, by: rowsOfBlock) {
      let rows = start..<min(start + rowsOfBlock, inputs)
      let size = outputs * width
      let block = try bytes(of: info.name, rows.lowerBound * size..<rows.upperBound * size)
      unsafe block.withUnsafeBytes { block in
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

  private func bytes(of name: Name, _ range: Range<Int>) throws(DecoderError) -> [UInt8] {
    if view?.changedInfo(of: name) != nil { return Array(try contents(of: name)[range]) }
    guard let tensor = checkpoint.tensor(name) else { throw .missingTensor(name) }
    return try readingBase { () throws(StorageError) in
      try tensor.file.bytes(at: tensor.offset + UInt64(range.lowerBound), count: range.count)
    }
  }
}

func readingBase<Value>(
  _ body: () throws(StorageError) -> Value
) throws(DecoderError) -> Value {
  try rethrowing(as: { DecoderError.checkpoint(.storage($0)) }, body)
}
