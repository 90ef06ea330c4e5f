internal import AdapterMath
internal import Checkpoints
internal import Dispatch
internal import Storage
internal import StrictJSON
internal import Synchronization

/// Writes one shard of an adapted checkpoint, on all cores.
///
/// The work is a list of pieces in the order of the file: runs of bytes to copy, and tiles of rows to
/// change. Threads take the next piece until none is left, so that reading, arithmetic and writing
/// of different pieces overlap; memory is one tile a thread and the operands of the tensors at hand,
/// whatever the size of the base.
struct ShardWriter: Sendable {
  private let view: AdaptedCheckpoint
  private let plan: ShardPlan
  private let output: OutputFile
  private let report: @Sendable (Int) -> Void
  private let pieces: [Piece]
  private let changes: [PendingChange]

  private enum Piece: Sendable {
    case copy(Range<UInt64>, to: UInt64)
    case change(index: Int, rows: Range<Int>)
  }

  /// Bytes of a run that one thread copies at a time.
  private static let copyByteCount: UInt64 = 16 << 20

  init(
    _ view: AdaptedCheckpoint, _ plan: ShardPlan, output: OutputFile,
    report: @escaping @Sendable (Int) -> Void
  ) {
    self.view = view
    self.plan = plan
    self.output = output
    self.report = report
    var runs: [(source: Range<UInt64>, target: UInt64)] = []
    var pieces: [Piece] = []
    var changes: [PendingChange] = []
    /// Runs that follow each other in both files are one.
    func copy(_ range: Range<UInt64>, to target: UInt64) {
      guard let last = runs.last, last.source.upperBound == range.lowerBound,
        last.target + UInt64(last.source.count) == target
      else { return runs.append((range, target)) }
      runs[runs.count - 1].source = last.source.lowerBound..<range.upperBound
    }
    func flush() {
      for run in runs {
        for start in stride(
          from: 0, to: UInt64(run.source.count), by: UInt64.Stride(Self.copyByteCount))
        {
          let end = min(UInt64(run.source.count), start + Self.copyByteCount)
          let first = run.source.lowerBound
          pieces.append(.copy(first + start..<first + end, to: run.target + start))
        }
      }
      runs = []
    }
    if plan.header == nil { copy(0..<plan.sourceHeaderCount, to: 0) }
    for tensor in plan.tensors {
      switch tensor.contents {
      case .stored(let offset):
        copy(offset..<offset + UInt64(tensor.info.byteCount), to: tensor.offset)
      case .adapted(let adapted):
        flush()
        let tiles = TensorUpdate.tiles(of: adapted.info, adapted.grid)
        pieces += tiles.map { .change(index: changes.count, rows: $0) }
        changes.append(PendingChange(adapted, offset: tensor.offset, tileCount: tiles.count))
      }
    }
    flush()
    self.pieces = pieces
    self.changes = changes
  }

  /// Does the work; the first error of any thread ends it.
  func run() throws(RuntimeError) {
    if let header = plan.header {
      try storing { () throws(StorageError) in try output.write(header) }
    }
    let next = Atomic<Int>(0)
    let failure = Guarded<RuntimeError?>(nil)
    DispatchQueue.concurrentPerform(iterations: Platform.processorCount) { _ in
      let worker = TileBuffer()
      while true {
        let index = next.add(1, ordering: .relaxed).oldValue
        guard index < pieces.count, failure.withLock({ $0 == nil }) else { return }
        do throws(RuntimeError) {
          try write(pieces[index], worker)
        } catch {
          failure.withLock { if $0 == nil { $0 = error } }
        }
      }
    }
    if let error = failure.withLock({ $0 }) { throw error }
  }

  private func write(_ piece: Piece, _ worker: TileBuffer) throws(RuntimeError) {
    switch piece {
    case .copy(let range, let target):
      try storing { () throws(StorageError) in
        try output.copy(from: plan.source, range: range, to: target)
      }
      report(range.count)
    case .change(let index, let rows):
      let pending = changes[index]
      let update = try pending.update(in: view)
      let bytes = update.byteRange(of: rows)
      let tile = unsafe worker.stored.bytes(count: bytes.count)
      try unsafe update.read(rows, into: tile)
      try unsafe update.apply(to: tile, rows: rows, worker.scratch)
      try storing { () throws(StorageError) in
        try unsafe output.write(
          UnsafeRawBufferPointer(tile), at: pending.offset + UInt64(bytes.lowerBound))
      }
      pending.finishTile()
      report(bytes.count)
    }
  }
}

/// A change whose operands are loaded when its first tile is due, and dropped after its last.
private final class PendingChange: Sendable {
  /// Where the tensor begins in the file.
  let offset: UInt64
  private let tensor: AdaptedTensor
  private let state: Guarded<State>

  private struct State {
    var remaining: Int
    var update: TensorUpdate?
  }

  init(_ tensor: AdaptedTensor, offset: UInt64, tileCount: Int) {
    self.tensor = tensor
    self.offset = offset
    state = Guarded(State(remaining: tileCount))
  }

  func update(in view: AdaptedCheckpoint) throws(RuntimeError) -> TensorUpdate {
    let result = state.withLock { state in
      Result { () throws(RuntimeError) in
        if let update = state.update { return update }
        let update = try view.update(of: tensor)
        state.update = update
        return update
      }
    }
    return try result.get()
  }

  func finishTile() {
    state.withLock { state in
      state.remaining -= 1
      if state.remaining == 0 { state.update = nil }
    }
  }
}

/// One thread's memory: a tile's bytes as stored, and its values.
private final class TileBuffer {
  let stored = ScratchMemory()
  let scratch = TileScratch()
}
