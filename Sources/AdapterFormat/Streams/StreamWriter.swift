internal import Storage
internal import StrictJSON

/// Writes one stream: reads its tensors once, cuts them into chunks, and compresses these on all processors. While the
/// chunks of one batch are compressed, the tensors of the one before are hashed and its frames written.
struct StreamWriter {
  private let type: ElementType
  private let tensors: [TensorContents]
  private let layout: StreamLayout
  private let checks: TensorChecks
  private let encoders: Slots<ChunkEncoder>
  private let records: Slots<ChunkRecord?>

  init(_ type: ElementType, _ tensors: [TensorContents], chunk: Int, _ level: CompressionLevel) {
    self.type = type
    self.tensors = tensors
    let layout = StreamLayout(type, chunk: chunk, byteCounts: tensors.map(\.info.byteCount))
    self.layout = layout
    checks = TensorChecks(type, tensorCount: tensors.count)
    encoders = Slots(count: ConcurrentWork.workers) { _ in ChunkEncoder(layout.codec, level) }
    records = Slots(repeating: nil, count: layout.chunkCount)
  }

  /// A batch on its way: where its bytes and the frames of its chunks are.
  @safe private struct Work: @unchecked Sendable {
    let batch: StreamLayout.Batch
    let units: UnsafeMutableRawBufferPointer
    let frames: UnsafeMutableRawBufferPointer
  }

  /// Writes the stream, its frames in order.
  ///
  /// - Returns: the stream's record, and the names of the tensors that hold a NaN or an infinity.
  /// - Throws: `FormatError.storage` where a tensor cannot be read, or the sink not written.
  func write(
    to sink: any ByteSink
  ) throws(FormatError) -> (record: StreamRecord, nonfinite: [Name]) {
    let memory = [(ScratchMemory(), ScratchMemory()), (ScratchMemory(), ScratchMemory())]
    var last: Work?
    for number in 0...layout.batchCount {
      let next = number < layout.batchCount ? work(number, memory[number % 2]) : nil
      try step(finishing: last, beginning: next, sink)
      last = next
    }
    let names = tensors.indices.filter { checks.isNonFinite($0) }.map { tensors[$0].info.name }
    return (record, names)
  }

  private var record: StreamRecord {
    StreamRecord(
      type: type, chunk: layout.chunk,
      tensors: tensors.enumerated().map { index, tensor in
        TensorRecord(
          name: tensor.info.name, shape: tensor.info.shape, digest: checks.digest(of: index))
      }, chunks: records.elements.compactMap(\.self))
  }

  private func work(_ number: Int, _ memory: (ScratchMemory, ScratchMemory)) -> Work {
    let batch = layout.batch(number)
    return unsafe Work(
      batch: batch, units: memory.0.bytes(count: batch.bytes.count),
      frames: memory.1.bytes(count: batch.chunks.count * chunkCapacity))
  }

  private var chunkCapacity: Int { ChunkEncoder.capacity(layout.codec, count: layout.chunk) }

  /// Hashes and writes a batch that was compressed, and compresses the one after it.
  private func step(
    finishing last: Work?, beginning next: Work?, _ sink: any ByteSink
  ) throws(FormatError) {
    // Only one call of the body uses it.
    nonisolated(unsafe) let sink = sink
    let (groups, chunks) = (last?.batch.groups ?? [], next?.batch.chunks ?? 0..<0)
    // The longest first: a tensor is hashed from its first byte to its last.
    try ConcurrentWork.perform(groups.count + 1 + chunks.count) {
      (index, worker) throws(FormatError) in
      if index > groups.count, let next {
        try encode(next, chunks.lowerBound + index - groups.count - 1, encoders[worker])
      } else if let last, index == groups.count {
        try unsafe emit(last, to: sink)
      } else if let last {
        unsafe checks.add(groups[index], of: last.batch, UnsafeRawBufferPointer(last.units))
      }
    }
  }

  private func emit(_ work: Work, to sink: any ByteSink) throws(FormatError) {
    for (place, chunk) in work.batch.chunks.enumerated() {
      guard let record = records[chunk] else { continue }
      let start = place * chunkCapacity
      let frames = unsafe UnsafeRawBufferPointer(
        rebasing: work.frames[start..<start + record.storedByteCount])
      try storing { () throws(StorageError) in try unsafe sink.write(frames) }
    }
  }

  private func encode(
    _ work: Work, _ chunk: Int, _ encoder: ChunkEncoder
  ) throws(FormatError) {
    let range = layout.bytes(of: chunk, in: work.batch)
    let units = unsafe UnsafeMutableRawBufferPointer(rebasing: work.units[range])
    let start = work.batch.bytes.lowerBound
    for piece in layout.pieces(of: start + range.lowerBound..<start + range.upperBound) {
      let tensor = tensors[piece.tensor]
      try storing { () throws(StorageError) in
        try unsafe tensor.bytes.read(
          at: tensor.offset + UInt64(piece.offset),
          into: UnsafeMutableRawBufferPointer(rebasing: units[piece.range]))
      }
    }
    let place = (chunk - work.batch.chunks.lowerBound) * chunkCapacity
    let frames = unsafe UnsafeMutableRawBufferPointer(
      rebasing: work.frames[place..<place + chunkCapacity])
    let sizes = try unsafe encoder.encode(UnsafeRawBufferPointer(units), into: frames)
    records[chunk] = unsafe ChunkRecord(sizes: sizes, checksumOf: UnsafeRawBufferPointer(frames))
  }
}
