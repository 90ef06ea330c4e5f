internal import Storage
internal import StrictJSON

/// Restores one stream from its first byte to its last: decodes chunks on all processors and, batch by batch behind
/// them, checks what they make up: every tensor's digest ([STR-7]).
struct StreamRestoration {
  private let file: AdapterFile
  private let adapter: Int
  private let stream: Int
  private let record: StreamRecord
  private let layout: StreamLayout
  private let tensors: [TensorInfo]
  private let checks: TensorChecks
  private let decoders: Slots<ChunkDecoder>

  /// Nil where the stream is opaque.
  init?(_ file: AdapterFile, adapter: Int, stream: Int) {
    let record = file.manifest.adapters[adapter].streams[stream]
    guard let type = record.type, !record.isOpaque else { return nil }
    self.file = file
    self.adapter = adapter
    self.stream = stream
    self.record = record
    tensors = record.tensors.map { TensorInfo(name: $0.name, type: type, shape: $0.shape) }
    layout = StreamLayout(type, chunk: record.chunk, byteCounts: tensors.map(\.byteCount))
    checks = TensorChecks(type, tensorCount: tensors.count)
    decoders = Slots(count: ConcurrentWork.workers) { _ in ChunkDecoder(file.bytes) }
  }

  /// A function that takes bytes of tensors.
  typealias Body =
    @Sendable (TensorInfo, _ offset: Int, UnsafeRawBufferPointer) throws(FormatError) -> Void

  /// A batch on its way, and where its bytes are.
  @safe private struct Work: @unchecked Sendable {
    let batch: StreamLayout.Batch
    let units: UnsafeMutableRawBufferPointer
  }

  /// Restores all tensors, and keeps none.
  ///
  /// - Parameter body: takes a tensor, a place in it, and the bytes from there on: every byte once, but in no
  ///   order, and from several threads at once. The digest is not checked yet.
  /// - Returns: the names of the tensors that hold a NaN or an infinity.
  /// - Throws: `FormatError` of kind `checksum`, `frame` or `tensor`, or `storage`; or what `body` throws.
  func run(_ body: Body) throws(FormatError) -> [Name] {
    let memory = [ScratchMemory(), ScratchMemory()]
    return try unsafe run(body) { batch in
      unsafe memory[batch.number % 2].bytes(count: batch.bytes.count)
    }
  }

  /// Restores all tensors into memory, one behind the other.
  ///
  /// - Parameter memory: as long as the stream.
  /// - Throws: as the other `run` does.
  func run(into memory: UnsafeMutableRawBufferPointer) throws(FormatError) {
    _ = try unsafe run({ _, _, _ throws(FormatError) in }) { batch in
      unsafe UnsafeMutableRawBufferPointer(rebasing: memory[batch.bytes])
    }
  }

  private func run(
    _ body: Body, memory: (StreamLayout.Batch) -> UnsafeMutableRawBufferPointer
  ) throws(FormatError) -> [Name] {
    var last: Work?
    for number in 0...layout.batchCount {
      var next: Work?
      if number < layout.batchCount {
        let batch = layout.batch(number)
        next = unsafe Work(batch: batch, units: memory(batch))
      }
      try unsafe step(finishing: last, beginning: next, body)
      last = next
    }
    for (index, tensor) in record.tensors.enumerated()
    where checks.digest(of: index) != tensor.digest {
      throw .tensor(tensor.name)
    }
    return tensors.indices.filter { checks.isNonFinite($0) }.map { tensors[$0].name }
  }

  /// Checks a batch that was decoded, and decodes the one after it.
  private func step(
    finishing last: Work?, beginning next: Work?, _ body: Body
  ) throws(FormatError) {
    let (groups, chunks) = (last?.batch.groups ?? [], next?.batch.chunks ?? 0..<0)
    // The longest first: a tensor is hashed from its first byte to its last.
    try ConcurrentWork.perform(groups.count + chunks.count) { (index, worker) throws(FormatError) in
      if index >= groups.count, let next {
        try decode(next, chunks.lowerBound + index - groups.count, decoders[worker])
      } else if let last {
        let units = unsafe UnsafeRawBufferPointer(last.units)
        unsafe checks.add(groups[index], of: last.batch, units)
        for piece in last.batch.pieces[groups[index]] {
          let bytes = unsafe UnsafeRawBufferPointer(rebasing: units[piece.range])
          try unsafe body(tensors[piece.tensor], piece.offset, bytes)
        }
      }
    }
  }

  private func decode(_ work: Work, _ chunk: Int, _ decoder: ChunkDecoder) throws(FormatError) {
    let units = unsafe UnsafeMutableRawBufferPointer(
      rebasing: work.units[layout.bytes(of: chunk, in: work.batch)])
    try unsafe decoder.decode(
      record.chunks[chunk], layout.codec, into: units,
      place: file.chunkName(adapter, stream, chunk))
  }
}
