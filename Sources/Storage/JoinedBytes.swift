internal import SystemPackage

/// Bytes that are elsewhere in parts, one after the other.
package struct JoinedBytes: RandomAccessBytes {
  private var parts: [Part] = []
  package private(set) var count: UInt64 = 0

  private struct Part: Sendable {
    /// Where it begins in the whole.
    let start: UInt64
    let bytes: any RandomAccessBytes
    let offset: UInt64
    let count: UInt64
  }

  package init() {}

  /// Adds `count` bytes from `offset` on; the caller has checked that they are there.
  package mutating func append(_ bytes: any RandomAccessBytes, at offset: UInt64, count: UInt64) {
    guard count > 0 else { return }
    parts.append(Part(start: self.count, bytes: bytes, offset: offset, count: count))
    self.count += count
  }

  /// Reads from each part what lies in it.
  ///
  /// - Throws: `truncated` where there are fewer bytes, or what a part throws.
  package func read(
    at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(StorageError) {
    guard offset <= count, UInt64(buffer.count) <= count - offset else {
      throw .truncated(path: "joined bytes", offset: offset, count: buffer.count)
    }
    var index = firstPart(endingAfter: offset)
    var done = 0
    while done < buffer.count {
      let part = parts[index]
      let skipped = offset + UInt64(done) - part.start
      let length = Int(min(part.count - skipped, UInt64(buffer.count - done)))
      try unsafe part.bytes.read(
        at: part.offset + skipped,
        into: UnsafeMutableRawBufferPointer(rebasing: buffer[done..<done + length]))
      done += length
      index += 1
    }
  }

  private func firstPart(endingAfter offset: UInt64) -> Int {
    var (low, high) = (0, parts.count)
    while low < high {
      let middle = (low + high) / 2
      if parts[middle].start + parts[middle].count > offset {
        high = middle
      } else {
        low = middle + 1
      }
    }
    return low
  }
}
