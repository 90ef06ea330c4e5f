internal import Storage

/// Which chunk of a file.
struct ChunkKey: Hashable, Sendable {
  let adapter: Int
  let stream: Int
  let chunk: Int
}

/// The chunks of a file that were decoded last. Small tensors share chunks, and whoever reads layer by layer comes
/// back to them: those of one kind stand together in a stream. All open files share the room.
final class RecentChunks: Sendable {
  private static let maximumByteCount = 16 << 20
  private static let maximumCount = 64

  private struct Key: Hashable {
    let file: ObjectIdentifier
    let chunk: ChunkKey
  }

  private struct State {
    var chunks: [Key: (units: [UInt8], lastUse: Int)] = [:]
    var byteCount = 0
    var uses = 0

    mutating func units(_ key: Key) -> [UInt8]? {
      uses += 1
      chunks[key]?.lastUse = uses
      return chunks[key]?.units
    }

    mutating func insert(_ units: [UInt8], as key: Key) {
      guard units.count <= RecentChunks.maximumByteCount, chunks[key] == nil else { return }
      chunks[key] = (units, uses)
      byteCount += units.count
      while byteCount > RecentChunks.maximumByteCount || chunks.count > RecentChunks.maximumCount,
        let oldest = chunks.min(by: { $0.value.lastUse < $1.value.lastUse })
      {
        remove(oldest.key)
      }
    }

    mutating func remove(_ key: Key) {
      byteCount -= chunks.removeValue(forKey: key)?.units.count ?? 0
    }
  }

  private static let state = Guarded(State())

  /// Removes the chunks of the file: another one may get its place in memory, and with that its name here.
  deinit {
    let file = ObjectIdentifier(self)
    Self.state.withLock { state in
      for key in state.chunks.keys.filter({ $0.file == file }) { state.remove(key) }
    }
  }

  /// The units of a chunk, decoded by `decode` unless it is one of them.
  func units(
    of chunk: ChunkKey, decode: () throws(FormatError) -> [UInt8]
  ) throws(FormatError) -> [UInt8] {
    let key = Key(file: ObjectIdentifier(self), chunk: chunk)
    if let units = Self.state.withLock({ $0.units(key) }) { return units }
    let units = try decode()
    Self.state.withLock { $0.insert(units, as: key) }
    return units
  }
}
