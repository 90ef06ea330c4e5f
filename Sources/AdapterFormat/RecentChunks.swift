internal import Storage

/// Which chunk of a file.
struct ChunkKey: Hashable, Sendable {
  let adapter: Int
  let stream: Int
  let chunk: Int
}

/// The chunks that were decoded last. Small tensors share chunks, and whoever reads layer by layer comes back to them:
/// those of one kind stand together in a stream.
final class RecentChunks: Sendable {
  private static let maximumByteCount = 16 << 20
  private static let maximumCount = 64

  private struct State {
    var chunks: [ChunkKey: (units: [UInt8], lastUse: Int)] = [:]
    var byteCount = 0
    var uses = 0

    mutating func units(_ key: ChunkKey) -> [UInt8]? {
      uses += 1
      chunks[key]?.lastUse = uses
      return chunks[key]?.units
    }

    mutating func insert(_ units: [UInt8], as key: ChunkKey) {
      guard units.count <= RecentChunks.maximumByteCount, chunks[key] == nil else { return }
      chunks[key] = (units, uses)
      byteCount += units.count
      while byteCount > RecentChunks.maximumByteCount || chunks.count > RecentChunks.maximumCount,
        let oldest = chunks.min(by: { $0.value.lastUse < $1.value.lastUse })
      {
        chunks[oldest.key] = nil
        byteCount -= oldest.value.units.count
      }
    }
  }

  private let state = Guarded(State())

  /// The units of a chunk, decoded by `decode` unless it is one of them.
  func units(
    of key: ChunkKey, decode: () throws(FormatError) -> [UInt8]
  ) throws(FormatError) -> [UInt8] {
    if let units = state.withLock({ $0.units(key) }) { return units }
    let units = try decode()
    state.withLock { $0.insert(units, as: key) }
    return units
  }
}
