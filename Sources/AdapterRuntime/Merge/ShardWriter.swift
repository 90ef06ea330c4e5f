internal import AdapterFormat
internal import AdapterInsight
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// Writes one shard of an adapted checkpoint, on all cores.
///
/// The file is made in aligned blocks, each in the memory of one thread and from as many runs as meet in it. There are
/// more threads than cores, so that the reading, arithmetic and writing of different blocks overlap; memory is
/// a block a thread and the operands of the tensors at hand, whatever the size of the base.
struct ShardWriter: Sendable {
  private let view: AdaptedCheckpoint
  private let plan: ShardPlan
  private let codes: [Name: FileRange]
  private let output: BlockOutput
  private let workers: ShardWorkers
  private let isProved: Bool
  private let report: @Sendable (Int) -> Void
  /// For each run, its change where it has one.
  private let changes: [PendingTensor?]

  /// Of how many parts of a changed tensor one is measured in passing; before one is found that changes, all are.
  private static let survivalStride = 32

  /// - Parameters:
  ///   - view: what is merged.
  ///   - plan: what the shard holds.
  ///   - codes: the codes that are made again.
  ///   - output: takes its blocks.
  ///   - workers: the threads' memory.
  ///   - isProved: whether a later process may go on with it, and needs a proof of it.
  ///   - report: takes the bytes written since the last call; codes were counted when they were worked out.
  init(
    _ view: AdaptedCheckpoint, _ plan: ShardPlan, _ codes: [Name: FileRange],
    output: BlockOutput, workers: ShardWorkers, isProved: Bool,
    report: @escaping @Sendable (Int) -> Void
  ) {
    self.view = view
    self.plan = plan
    self.codes = codes
    self.output = output
    self.workers = workers
    self.isProved = isProved
    self.report = report
    let blockByteCount = UInt64(BlockOutput.blockByteCount)
    changes = plan.runs.map { run in
      guard case .adapted(let tensor) = run.contents else { return nil }
      let first = run.range.lowerBound / blockByteCount
      let last = (run.range.upperBound - 1) / blockByteCount
      return PendingTensor(tensor, blockCount: Int(last - first) + 1)
    }
  }

  /// Does the work; the first error of any thread ends it.
  ///
  /// - Returns: what rounding leaves of the change of each tensor, in samples; the proof of the file; and how long it
  ///   took.
  func run() throws -> (survival: [Name: Survival], proof: ShardProof, times: MergeTimes) {
    let checksums = Slots<UInt32?>(repeating: nil, count: output.blocks.count)
    let workers = workers.all
    try ConcurrentWork.perform(output.blocks.count, threads: ConcurrentWork.waitingWorkers) {
      (index, number) in
      let worker = workers[number] ?? BlockWorker(measuringEvery: Self.survivalStride)
      workers[number] = worker
      checksums[index] = try write(index, worker)
    }
    var survival: [Name: Survival] = [:]
    for change in changes.compactMap(\.self) where change.tensor.isMeasurable {
      survival[change.tensor.info.name] = change.survival
    }
    var times = MergeTimes()
    for worker in workers.elements.compactMap(\.self) {
      guard worker.times != MergeTimes() else { continue }
      times += worker.times
      times.threadCount += 1
      worker.times = MergeTimes()
    }
    return (survival, ShardProof(checksums.elements), times)
  }

  /// Writes a block.
  ///
  /// - Returns: its checksum; nil for one that was copied, or where none is asked for.
  private func write(_ index: Int, _ worker: BlockWorker) throws -> UInt32? {
    let block = output.blocks[index]
    let first = plan.firstRun(after: block.lowerBound)
    var reported = block.count
    defer { report(reported) }
    if output.copiesInKernel, plan.runs[first].range.upperBound >= block.upperBound,
      case .stored(let bytes) = plan.runs[first].contents
    {
      let start = block.lowerBound - plan.runs[first].range.lowerBound
      try worker.time(\.writing) { try bytes.copy(at: start, to: output, block: index) }
      return nil
    }
    var place = first
    while place < plan.runs.count, plan.runs[place].range.lowerBound < block.upperBound {
      let range = plan.runs[place].range.clamped(to: block)
      let start = Int(range.lowerBound - block.lowerBound)
      let memory = unsafe UnsafeMutableRawBufferPointer(
        rebasing: worker.block[start..<start + range.count])
      try unsafe fill(memory, from: place, at: range.lowerBound, worker)
      if case .codes = plan.runs[place].contents { reported -= range.count }
      place += 1
    }
    let bytes = unsafe UnsafeRawBufferPointer(rebasing: worker.block[..<block.count])
    try worker.time(\.writing) { try unsafe output.write(bytes, block: index) }
    return isProved ? unsafe CRC32.checksum(bytes) : nil
  }

  /// Fills memory with a part of a run, from a place of the file on.
  private func fill(
    _ memory: UnsafeMutableRawBufferPointer, from place: Int, at start: UInt64,
    _ worker: BlockWorker
  ) throws {
    let offset = start - plan.runs[place].range.lowerBound
    switch plan.runs[place].contents {
    case .bytes(let bytes):
      let first = Int(offset)
      let count = memory.count
      unsafe memory.copyBytes(from: bytes[first..<first + count])
    case .stored(let bytes):
      try worker.time(\.reading) { try unsafe bytes.read(at: offset, into: memory) }
    case .codes(let name, let kept):
      let bytes = codes[name] ?? kept
      try worker.time(\.reading) { try unsafe bytes.read(at: offset, into: memory) }
    case .adapted:
      guard let change = changes[place] else { return }
      let rows = try change.rows(in: view)
      worker.tiles.survival = Survival()
      worker.tiles.looksForChange = change.survival.changedCount == 0
      let first = Int(offset)
      let count = memory.count
      worker.tiles.readingTime = .zero
      try worker.time(\.arithmetic) {
        try unsafe rows.read(first..<first + count, into: memory, worker.tiles)
      }
      worker.times.reading += worker.tiles.readingTime
      worker.times.arithmetic -= worker.tiles.readingTime
      change.finishBlock(worker.tiles.survival)
    }
  }
}

/// A tensor that is being changed. Its operands are loaded when the first block needs them and
/// released after the last.
private final class PendingTensor: Sendable {
  let tensor: AdaptedTensor
  private let state: Guarded<State>

  private struct State {
    var remaining: Int
    var rows: AdaptedRows?
    var survival = Survival()
  }

  init(_ tensor: AdaptedTensor, blockCount: Int) {
    self.tensor = tensor
    state = Guarded(State(remaining: blockCount))
  }

  var survival: Survival { state.withLock { $0.survival } }

  func rows(in view: AdaptedCheckpoint) throws -> AdaptedRows {
    let result = state.withLock { state in
      Result {
        if let rows = state.rows { return rows }
        let rows = try view.rows(of: tensor)
        state.rows = rows
        return rows
      }
    }
    return try result.get()
  }

  func finishBlock(_ survival: Survival) {
    state.withLock { state in
      state.survival += survival
      state.remaining -= 1
      if state.remaining == 0 { state.rows = nil }
    }
  }
}

/// The memory of the threads that write shards, one after the other: what each shard asked for anew, the C library would
/// have between what others ask for.
struct ShardWorkers: Sendable {
  fileprivate let all = Slots<BlockWorker?>(repeating: nil, count: ConcurrentWork.waitingWorkers)
}

/// One thread's memory: a block, and what it takes to make it.
@safe private final class BlockWorker {
  let block = unsafe BlockOutput.makeBuffer()
  let tiles: TileMemory
  /// The time it has taken so far.
  var times = MergeTimes()

  func time(_ part: WritableKeyPath<MergeTimes, Duration>, _ body: () throws -> Void) throws {
    let start = ContinuousClock.now
    try body()
    times[keyPath: part] += ContinuousClock.now - start
  }

  init(measuringEvery stride: Int) {
    tiles = TileMemory(measuringEvery: stride)
  }

  deinit {
    unsafe block.deallocate()
  }
}
