internal import AdapterFormat
internal import AdapterRuntime
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

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
  private var read: Set<Name> = []

  /// The bias of a linear layer: needed or none. Adapters may give one to a layer that has none.
  enum Bias {
    case needed
    case none
  }

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

  /// Refuses changes of tensors that have not been asked for: they would be lost.
  func refuseUnread() throws {
    if let name = view.changedNames.first(where: { !read.contains($0) }) {
      throw AdapterError.unusedTensor(name)
    }
  }

  /// Refuses a checkpoint with more layers than its configuration says.
  func refuseMoreLayers(_ name: String, _ path: FilePath) throws {
    guard view.info(of: full(name)) != nil else { return }
    throw AdapterError.config(
      path, "says that there are fewer layers than there are: \(full(name))")
  }

  /// Refuses a checkpoint whose layers have weights that were not asked for: those of another architecture,
  /// such as norms of heads, whose model computes something else.
  func refuseUnused(in layers: String) throws {
    let layers = full(layers)
    let unused = view.checkpoint.names.filter { name in
      name.hasPrefix(layers) && (name.hasSuffix(".weight") || name.hasSuffix(".bias"))
        && !read.contains(name)
    }
    if let name = unused.min() { throw AdapterError.unusedWeight(name) }
  }

  // MARK: - Vectors

  /// A vector that has to be there.
  mutating func vector(_ name: String, _ count: Int) throws -> ModelVector {
    guard let vector = try optionalVector(name, count) else {
      throw AdapterError.missingTensor(full(name))
    }
    return vector
  }

  /// A vector that some models have.
  mutating func optionalVector(_ name: String, _ count: Int) throws -> ModelVector? {
    let name = full(name)
    guard let info = view.info(of: name) else { return nil }
    read.insert(name)
    guard info.shape.dimensions == [count] else {
      throw AdapterError.otherShape(name, expected: [count], found: info.shape)
    }
    try Self.check(info)
    let bytes = try view.contents(of: name) ?? []
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

  /// A linear layer.
  mutating func linear(
    _ module: String, from inputs: Int, to outputs: Int, _ storing: Storing = .byOutput,
    bias needed: Bias
  ) throws -> LinearLayer {
    let weight = try matrix(module + ".weight", outputs, inputs, storing)
    let bias = try optionalVector(module + ".bias", outputs)
    switch needed {
    case .needed: if bias == nil { throw AdapterError.missingTensor(full(module + ".bias")) }
    case .none:
      if let bias, view.checkpoint.tensor(bias.name) != nil {
        throw AdapterError.unexpectedBias(bias.name)
      }
    }
    let name = full(module + ".weight")
    let layer = LinearLayer(name: name, index: layers.count, weight: weight, bias: bias)
    layers[name] = layer
    return layer
  }

  /// The layer that makes logits: its own weight, at the top level of the checkpoint, or the embedding.
  mutating func head(
    _ embedding: StoredMatrix, isTied: Bool
  ) throws -> LinearLayer {
    let name: Name = "lm_head.weight"
    if isTied, !view.changedNames.contains(name), try !differs(name, from: embedding) {
      return LinearLayer(name: name, index: nil, weight: embedding, bias: nil)
    }
    guard view.info(of: name) != nil else { throw AdapterError.missingTensor(name) }
    let weight = try load(name, embedding.rows, embedding.columns, .byOutput)
    let layer = LinearLayer(name: name, index: layers.count, weight: weight, bias: nil)
    layers[name] = layer
    return layer
  }

  /// Returns true if the checkpoint stores a head beside the embedding that it is tied to, with other values: then it
  /// is a head of its own, as transformers decides.
  private func differs(_ name: Name, from embedding: StoredMatrix) throws -> Bool {
    guard let stored = view.checkpoint.tensor(name),
      view.info(of: name)?.type == embedding.type,
      stored.info.shape.dimensions == [embedding.rows, embedding.columns],
      let reader = try view.reader(of: name)
    else { return false }
    let rows = max(1, (1 << 20) / max(1, reader.rowByteCount))
    for start in stride(from: 0, to: embedding.rows, by: rows) {
      let range = start..<min(start + rows, embedding.rows)
      let bytes = try reader.contents(of: range)
      if !embedding.holds(bytes, in: range) { return true }
    }
    return false
  }

  /// A matrix that is no layer's: an embedding.
  mutating func matrix(
    _ name: String, _ rows: Int, _ columns: Int, _ storing: Storing = .byOutput
  ) throws -> StoredMatrix {
    try load(full(name), rows, columns, storing)
  }

  /// The embedding of the input; adapters may have changed the number of its rows.
  mutating func embedding(
    _ name: String, count: Int, width: Int
  ) throws -> StoredMatrix {
    let name = full(name)
    guard let info = view.info(of: name) else { throw AdapterError.missingTensor(name) }
    let isChanged = view.changedNames.contains(name)
    return try load(
      name, isChanged ? info.shape.dimensions.first ?? 0 : count, width, .byOutput)
  }

  private mutating func load(
    _ name: Name, _ rows: Int, _ columns: Int, _ storing: Storing
  ) throws -> StoredMatrix {
    guard let info = view.info(of: name) else { throw AdapterError.missingTensor(name) }
    let expected = storing == .byOutput ? [rows, columns] : [columns, rows]
    guard info.shape.dimensions == expected else {
      throw AdapterError.otherShape(name, expected: expected, found: info.shape)
    }
    try Self.check(info)
    read.insert(name)
    guard let reader = try view.reader(of: name) else {
      throw AdapterError.missingTensor(name)
    }
    let matrix = unsafe try StoredMatrix(rows: rows, columns: columns, type: info.type, in: arena) {
      memory in
      switch storing {
      case .byOutput:
        try unsafe reader.read(0..<rows, into: memory)
      case .byInput: try unsafe fillTransposed(memory, reader, info, rows, columns)
      }
      // Halves are widened by a multiplication, which makes a number of an infinity.
      if info.type == .f16, unsafe NonFinite.isPresent(in: UnsafeRawBufferPointer(memory), of: .f16)
      {
        throw AdapterError.nonfiniteWeight(name)
      }
    }
    byteCount += matrix.byteCount
    return matrix
  }

  private static func check(_ info: TensorInfo) throws {
    guard [.bf16, .f16, .f32].contains(info.type) else {
      throw AdapterError.unrunnableType(info.name, info.type)
    }
  }

  // MARK: - Bytes

  /// Inputs are rows as stored and columns in memory.
  private func fillTransposed(
    _ memory: UnsafeMutableRawBufferPointer, _ reader: TensorReader, _ info: TensorInfo,
    _ outputs: Int, _ inputs: Int
  ) throws {
    let width = info.type.bitWidth / 8
    let size = outputs * width
    let rowsOfBlock = max(1, (1 << 20) / max(1, size))
    let scratch = ScratchMemory()
    for start in stride(from: 0, to: inputs, by: rowsOfBlock) {
      let rows = start..<min(start + rowsOfBlock, inputs)
      let block = unsafe scratch.bytes(count: rows.count * size)
      try unsafe reader.read(rows, into: block)
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
