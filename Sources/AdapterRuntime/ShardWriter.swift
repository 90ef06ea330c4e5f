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
/// of different pieces overlap; memory is one tile a thread, whatever the size of the tensors.
struct ShardWriter: Sendable {
  private let view: AdaptedCheckpoint
  private let file: File
  private let output: OutputFile
  private let report: @Sendable (Int) -> Void
  private let pieces: [Piece]
  private let changes: [PendingChange]

  private enum Piece: Sendable {
    case copy(Range<UInt64>)
    case change(index: Int, rows: Range<Int>)
  }

  /// Bytes of a run that one thread copies at a time.
  private static let copyByteCount: UInt64 = 16 << 20

  init(
    _ view: AdaptedCheckpoint, shard: Int, output: OutputFile,
    report: @escaping @Sendable (Int) -> Void
  ) {
    self.view = view
    file = view.checkpoint.shards[shard].file.file
    self.output = output
    self.report = report
    var pieces: [Piece] = []
    var changes: [PendingChange] = []
    var copied: UInt64 = 0
    func copy(upTo end: UInt64) {
      while copied < end {
        let next = min(end, copied + Self.copyByteCount)
        pieces.append(.copy(copied..<next))
        copied = next
      }
    }
    for tensor in view.checkpoint.tensors(inShard: shard) where view.changes(tensor.info.name) {
      let tiles = TensorUpdate.tiles(of: tensor.info)
      copy(upTo: tensor.offset)
      pieces += tiles.map { .change(index: changes.count, rows: $0) }
      changes.append(PendingChange(tensor, tileCount: tiles.count))
      copied = tensor.offset + UInt64(tensor.info.byteCount)
    }
    copy(upTo: file.count)
    self.pieces = pieces
    self.changes = changes
  }

  /// Does the work; the first error of any thread ends it.
  func run() throws(RuntimeError) {
    let next = Atomic<Int>(0)
    let failure = Mutex<RuntimeError?>(nil)
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
    case .copy(let range):
      try storing { () throws(StorageError) in try output.copy(from: file, range: range) }
      report(range.count)
    case .change(let index, let rows):
      let pending = changes[index]
      let update = try pending.update(in: view)
      let bytes = update.byteRange(of: rows)
      let offset = update.tensor.offset + UInt64(bytes.lowerBound)
      let tile = unsafe worker.stored.bytes(count: bytes.count)
      try storing { () throws(StorageError) in try unsafe file.read(at: offset, into: tile) }
      try unsafe update.apply(to: tile, rows: rows, worker.scratch)
      try storing { () throws(StorageError) in
        try unsafe output.write(UnsafeRawBufferPointer(tile), at: offset)
      }
      pending.finishTile()
      report(bytes.count)
    }
  }
}

/// A change whose operands are loaded when its first tile is due, and dropped after its last.
private final class PendingChange: Sendable {
  private let tensor: StoredTensor
  private let state: Mutex<State>

  private struct State {
    var remaining: Int
    var update: TensorUpdate?
  }

  init(_ tensor: StoredTensor, tileCount: Int) {
    self.tensor = tensor
    state = Mutex(State(remaining: tileCount))
  }

  func update(in view: AdaptedCheckpoint) throws(RuntimeError) -> TensorUpdate {
    let result = state.withLock { state in
      Result { () throws(RuntimeError) in
        if let update = state.update { return update }
        guard let update = try view.update(of: tensor) else {
          throw .notMergeable("\(tensor.info.name) is not changed")
        }
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
