internal import Storage

/// Reads, checks and decodes chunks; one for each thread. Its buffers are kept from chunk to chunk.
struct ChunkDecoder {
  private let bytes: any RandomAccessBytes
  private let decompressor = FrameDecompressor()
  private var stored: [UInt8] = []
  private var planes: [UInt8] = []
  /// The units of the chunk that was decoded last.
  private(set) var units: [UInt8] = []

  init(_ bytes: any RandomAccessBytes) {
    self.bytes = bytes
  }

  /// Decodes one chunk of a stream that is not opaque into `units`.
  mutating func decode(
    _ stream: StreamRecord, chunk index: Int, place: String
  ) throws(FormatError) {
    guard let type = stream.type, !stream.isOpaque else {
      throw .unsupported(stream.opaqueReason ?? "this stream")
    }
    let chunk = stream.chunks[index]
    try check(chunk, place: place)
    let codec = PlaneCodec(type)
    let rest = stream.byteCount / codec.width - index * stream.chunk
    let count = min(rest, stream.chunk)
    resize(&planes, to: count * codec.width)
    resize(&units, to: count * codec.width)
    try decodePlanes(chunk, count: count, place: place)
    unsafe planes.withUnsafeBytes { planes in
      unsafe units.withUnsafeMutableBytes { unsafe codec.join(planes, into: $0) }
    }
  }

  /// Checks the CRC-32 of a chunk of an opaque stream, whose frames may be of any size.
  func checkPiecewise(_ chunk: ChunkRecord, place: String) throws(FormatError) {
    try chunk.forEachPiece(of: bytes, place: place) { _ throws(FormatError) in }
  }

  /// Reads a chunk's frames and checks their CRC-32 ([STR-5]).
  private mutating func check(_ chunk: ChunkRecord, place: String) throws(FormatError) {
    // The manifest's sums have proved that these bytes are there.
    resize(&stored, to: chunk.storedByteCount)
    let bytes = bytes
    try unsafe stored.withUnsafeMutableBytesThrowing { buffer throws(FormatError) in
      try storing { () throws(StorageError) in
        try unsafe bytes.read(at: chunk.offset, into: buffer)
      }
    }
    let checksum = unsafe stored.withUnsafeBytes { unsafe CRC32.checksum($0) }
    guard checksum == chunk.checksum else { throw .checksum(place) }
  }

  private mutating func decodePlanes(
    _ chunk: ChunkRecord, count: Int, place: String
  ) throws(FormatError) {
    let (stored, decompressor) = (stored, decompressor)
    try unsafe planes.withUnsafeMutableBytesThrowing { planes throws(FormatError) in
      try unsafe stored.withUnsafeBytesThrowing { stored throws(FormatError) in
        var offset = 0
        for (plane, size) in chunk.sizes.enumerated() {
          let size = Int(size)
          let frame = unsafe UnsafeRawBufferPointer(rebasing: stored[offset..<offset + size])
          let output = unsafe UnsafeMutableRawBufferPointer(
            rebasing: planes[plane * count..<(plane + 1) * count])
          try unsafe decompressor.decode(frame, into: output, place: place)
          offset += size
        }
      }
    }
  }
}

extension ChunkRecord {
  /// Reads the stored bytes, which may be of any size, a mebibyte at a time, and checks their CRC-32
  /// at the end ([STR-5]).
  func forEachPiece(
    of bytes: any RandomAccessBytes, place: String,
    _ body: ([UInt8]) throws(FormatError) -> Void
  ) throws(FormatError) {
    var state = CRC32.initial
    var done = 0
    let total = storedByteCount
    while done < total {
      let count = min(total - done, 1 << 20)
      let piece = try storing { () throws(StorageError) in
        try bytes.bytes(at: offset + UInt64(done), count: count)
      }
      state = unsafe piece.withUnsafeBytes { unsafe CRC32.update(state, $0) }
      try body(piece)
      done += count
    }
    guard CRC32.checksum(of: state) == checksum else { throw .checksum(place) }
  }
}

/// Changes a buffer's length without giving its memory back.
private func resize(_ buffer: inout [UInt8], to count: Int) {
  if buffer.count > count {
    buffer.removeLast(buffer.count - count)
  } else {
    buffer.append(contentsOf: repeatElement(0, count: count - buffer.count))
  }
}
