internal import Storage

/// Where the tensors of a stream lie in its restored bytes, and how the bytes are cut into batches: runs of chunks
/// that are worked on together, so that memory does not grow with the stream.
struct StreamLayout: Sendable {
  /// Units in a chunk.
  let chunk: Int
  let codec: PlaneCodec
  /// Where each tensor begins, and where the last one ends.
  private let starts: [Int]
  /// Chunks in a batch.
  private let batch: Int

  /// A part of a tensor.
  struct Piece: Sendable {
    /// The tensor's index in the stream.
    let tensor: Int
    /// Its first byte in the tensor.
    let offset: Int
    /// Where its bytes are, counted from the start of the range that was asked for.
    let range: Range<Int>
    /// True if the tensor ends with it.
    let isLast: Bool
  }

  init(_ type: ElementType, chunk: Int, byteCounts: [Int]) {
    self.chunk = chunk
    codec = PlaneCodec(type)
    var starts = [0]
    starts.reserveCapacity(byteCounts.count + 1)
    var end = 0
    for count in byteCounts {
      end += count
      starts.append(end)
    }
    self.starts = starts
    // Enough for all processors to be busy most of the time, where they are many; at most 16 MiB.
    let bytes = min(max(ConcurrentWork.workers << 21, 1 << 22), 1 << 24)
    batch = max(bytes / (chunk * codec.width), 1)
  }

  /// Bytes of all tensors.
  var byteCount: Int { starts[starts.count - 1] }

  /// Bytes of a whole chunk.
  private var chunkByteCount: Int { chunk * codec.width }

  var chunkCount: Int { (byteCount + chunkByteCount - 1) / chunkByteCount }

  var batchCount: Int { (chunkCount + batch - 1) / batch }

  /// A run of chunks.
  struct Batch: Sendable {
    let number: Int
    let chunks: Range<Int>
    /// Its bytes in the stream.
    let bytes: Range<Int>
    let pieces: [Piece]
    /// Pieces that are worked on together: no tensor is in two groups.
    let groups: [Range<Int>]
  }

  func batch(_ number: Int) -> Batch {
    let chunks = number * batch..<min((number + 1) * batch, chunkCount)
    let bytes =
      chunks.lowerBound
      * chunkByteCount..<min(
        chunks.upperBound * chunkByteCount, byteCount)
    let pieces = pieces(of: bytes)
    return Batch(
      number: number, chunks: chunks, bytes: bytes, pieces: pieces, groups: Self.groups(pieces))
  }

  /// The bytes of a chunk, counted from the start of its batch.
  func bytes(of chunk: Int, in batch: Batch) -> Range<Int> {
    let start = chunk * chunkByteCount
    return start - batch.bytes.lowerBound..<min(start + chunkByteCount, batch.bytes.upperBound)
      - batch.bytes.lowerBound
  }

  /// Not so small that beginning costs more than what is done.
  private static func groups(_ pieces: [Piece]) -> [Range<Int>] {
    var groups: [Range<Int>] = []
    var (start, bytes) = (0, 0)
    for (index, piece) in pieces.enumerated() {
      bytes += piece.range.count
      if bytes >= 1 << 16 || index == pieces.count - 1 {
        groups.append(start..<index + 1)
        (start, bytes) = (index + 1, 0)
      }
    }
    return groups
  }

  /// The parts of tensors of which a range of the stream consists, in order. Tensors without bytes have none.
  func pieces(of range: Range<Int>) -> [Piece] {
    var pieces: [Piece] = []
    var tensor = lastTensor(startingUpTo: range.lowerBound)
    var start = range.lowerBound
    while start < range.upperBound {
      let end = min(starts[tensor + 1], range.upperBound)
      if end > start {
        pieces.append(
          Piece(
            tensor: tensor, offset: start - starts[tensor],
            range: start - range.lowerBound..<end - range.lowerBound,
            isLast: end == starts[tensor + 1]))
      }
      start = end
      tensor += 1
    }
    return pieces
  }

  private func lastTensor(startingUpTo place: Int) -> Int {
    var (low, high) = (0, starts.count - 1)
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= place { low = middle } else { high = middle }
    }
    return low
  }
}
