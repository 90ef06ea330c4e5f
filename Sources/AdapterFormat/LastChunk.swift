internal import Storage

/// Which chunk of a file.
struct ChunkKey: Hashable, Sendable {
  let adapter: Int
  let stream: Int
  let chunk: Int
}

/// The chunk that was decoded last: small tensors share chunks, and are read one after the other.
final class LastChunk: Sendable {
  private let state = Guarded<(key: ChunkKey, units: [UInt8])?>(nil)

  /// The units of a chunk, decoded by `decode` unless it was the last one.
  func units(
    of key: ChunkKey, decode: () throws(FormatError) -> [UInt8]
  ) throws(FormatError) -> [UInt8] {
    if let units = state.withLock({ $0?.key == key ? $0?.units : nil }) { return units }
    let units = try decode()
    state.withLock { $0 = (key, units) }
    return units
  }
}
