package import Storage

/// Reads, checks and decodes chunks; one for each thread. Its memory is kept from chunk to chunk.
@safe package final class ChunkDecoder {
  private let bytes: any RandomAccessBytes
  private let decompressor = FrameDecompressor()
  private let stored = ScratchMemory()
  private let planes = ScratchMemory()

  package init(_ bytes: any RandomAccessBytes) {
    self.bytes = bytes
  }

  /// Decodes one chunk of a stream that is not opaque into memory as long as its units.
  func decode(
    _ chunk: ChunkRecord, _ codec: PlaneCodec, into output: UnsafeMutableRawBufferPointer,
    place: @autoclosure () -> String
  ) throws(FormatError) {
    // The manifest's sums have proved that these bytes are there.
    let frames = unsafe stored.bytes(count: chunk.storedByteCount)
    let bytes = bytes
    try storing { () throws(StorageError) in try unsafe bytes.read(at: chunk.offset, into: frames) }
    try unsafe decode(
      UnsafeRawBufferPointer(frames), of: chunk, codec, into: output, place: place())
  }

  /// Checks the CRC-32 of a chunk's frames ([STR-5]), and decodes them.
  package func decode(
    _ frames: UnsafeRawBufferPointer, of chunk: ChunkRecord, _ codec: PlaneCodec,
    into output: UnsafeMutableRawBufferPointer, place: @autoclosure () -> String
  ) throws(FormatError) {
    guard unsafe CRC32.checksum(frames) == chunk.checksum else { throw .checksum(place()) }
    try unsafe decodeUnchecked(frames, sizes: chunk.sizes, codec, into: output, place: place())
  }

  /// Decodes frames, one for each plane.
  package func decodeUnchecked(
    _ frames: UnsafeRawBufferPointer, sizes: [UInt32], _ codec: PlaneCodec,
    into output: UnsafeMutableRawBufferPointer, place: @autoclosure () -> String
  ) throws(FormatError) {
    guard let target = output.baseAddress else { return }
    let count = output.count / codec.width
    // A plane that is stored as it is need not be copied.
    let planes = unsafe planes.bytes(count: output.count)
    let result = unsafe withUnsafeTemporaryAllocation(
      of: UnsafeRawPointer.self, capacity: codec.width
    ) { places -> Result<Void, FormatError> in
      Result { () throws(FormatError) in
        var offset = 0
        for (plane, size) in sizes.enumerated() {
          let frame = unsafe UnsafeRawBufferPointer(rebasing: frames[offset..<offset + Int(size)])
          offset += Int(size)
          var contents = unsafe Frame.storedContents(frame, contentSize: count)
          if unsafe contents == nil {
            let part = unsafe UnsafeMutableRawBufferPointer(
              rebasing: planes[plane * count..<(plane + 1) * count])
            try unsafe decompressor.decode(frame, into: part, place: place())
            unsafe contents = UnsafeRawBufferPointer(part)
          }
          guard let address = unsafe contents?.baseAddress else { return }
          unsafe places.initializeElement(at: plane, to: address)
        }
        guard let first = places.baseAddress else { return }
        unsafe codec.join(UnsafePointer(first), count: count, into: target)
      }
    }
    try result.get()
  }
}

extension ChunkRecord {
  /// Reads the stored bytes, which may be of any size, a mebibyte at a time, and checks their CRC-32
  /// at the end ([STR-5]).
  func forEachPiece(
    of bytes: any RandomAccessBytes, place: @autoclosure () -> String,
    _ body: ([UInt8]) throws(FormatError) -> Void
  ) throws(FormatError) {
    var checksum: UInt32 = 0
    var done = 0
    let total = storedByteCount
    while done < total {
      let count = min(total - done, 1 << 20)
      let piece = try storing { () throws(StorageError) in
        try bytes.bytes(at: offset + UInt64(done), count: count)
      }
      checksum = unsafe piece.withUnsafeBytes { unsafe CRC32.checksum($0, after: checksum) }
      try body(piece)
      done += count
    }
    guard checksum == self.checksum else { throw .checksum(place()) }
  }
}
