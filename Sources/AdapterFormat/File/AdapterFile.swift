public import Storage
public import StrictJSON

/// An open `.adp` file: its manifest, checked, and its tensors, decoded on demand.
///
/// Opening reads the header, the footer and the manifest, and nothing else.
public struct AdapterFile: Sendable {
  /// The file's manifest.
  public let manifest: Manifest
  /// The manifest digest: the file's identity.
  public let digest: Digest
  /// The file's length in bytes.
  public let byteCount: UInt64
  /// The decoded length of the manifest's text.
  public let manifestByteCount: Int
  let bytes: any RandomAccessBytes
  private let places: [[Name: Place]]
  private let recentChunks = RecentChunks()

  /// Where a tensor is.
  private struct Place {
    let stream: Int
    let tensor: Int
    /// Its first byte in the restored stream.
    let offset: Int
  }

  /// Opens a file.
  ///
  /// - Throws: `FormatError` where it breaks a rule of the format, of the kind that
  ///   Spec/adp-v1.md, section 11, gives.
  public init(_ bytes: any RandomAccessBytes) throws(FormatError) {
    let (footer, digest, text) = try Envelope.open(bytes)
    manifest = try Manifest(text: text, payloadEnd: footer.offset, fileLength: bytes.count)
    manifestByteCount = text.count
    self.digest = digest
    byteCount = bytes.count
    self.bytes = bytes
    places = manifest.adapters.map { adapter in
      var places: [Name: Place] = [:]
      places.reserveCapacity(adapter.tensorCount)
      for (index, stream) in adapter.streams.enumerated() {
        var offset = 0
        for (tensor, record) in stream.tensors.enumerated() {
          places[record.name] = Place(stream: index, tensor: tensor, offset: offset)
          // What an opaque stream's tensors would take is not known, and not needed.
          if let type = stream.type, !stream.isOpaque {
            offset += record.shape.byteCount(of: type) ?? 0
          }
        }
      }
      return places
    }
  }

  /// The element type and shape of a tensor; nil where the adapter has none of this name, or where
  /// it is in an opaque stream.
  public func tensor(_ name: Name, adapter: Int) -> TensorInfo? {
    guard let place = places[adapter][name] else { return nil }
    let stream = manifest.adapters[adapter].streams[place.stream]
    guard let type = stream.type, !stream.isOpaque else { return nil }
    return TensorInfo(name: name, type: type, shape: stream.tensors[place.tensor].shape)
  }

  /// The recorded digest of a tensor; nil where the adapter has none of this name.
  public func digest(of name: Name, adapter: Int) -> Digest? {
    places[adapter][name].map {
      manifest.adapters[adapter].streams[$0.stream].tensors[$0.tensor].digest
    }
  }

  /// Restores a part of a tensor, decoding only the chunks that hold it; their checksums are
  /// checked, the tensor's digest is not.
  ///
  /// - Throws: `FormatError` of kind `checksum`, `frame` or `unsupported`, or `storage`.
  public func read(
    _ name: Name, adapter: Int, at offset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws(FormatError) {
    guard let place = places[adapter][name] else {
      throw .manifest("the adapter has no tensor \(name)")
    }
    let stream = manifest.adapters[adapter].streams[place.stream]
    guard let type = stream.type, !stream.isOpaque else {
      throw .unsupported(stream.opaqueReason ?? "this stream")
    }
    let codec = PlaneCodec(type)
    let chunkBytes = stream.chunk * codec.width
    var done = 0
    while done < buffer.count {
      let position = place.offset + offset + done
      let index = position / chunkBytes
      let units = try recentChunks.units(
        of: ChunkKey(adapter: adapter, stream: place.stream, chunk: index)
      ) { () throws(FormatError) in
        let count = min(chunkBytes, stream.byteCount - index * chunkBytes)
        var units = [UInt8](repeating: 0, count: count)
        try unsafe units.withUnsafeMutableBytesThrowing { units throws(FormatError) in
          try unsafe ChunkDecoder(bytes).decode(
            stream.chunks[index], codec, into: units, place: chunkName(adapter, place.stream, index)
          )
        }
        return units
      }
      let start = position - index * chunkBytes
      let count = min(units.count - start, buffer.count - done)
      let target = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[done..<done + count])
      unsafe target.copyBytes(from: units[start..<start + count])
      done += count
    }
  }

  /// A whole tensor, its digest checked ([STR-7]).
  ///
  /// - Throws: `FormatError` of kind `tensor`, `checksum`, `frame` or `unsupported`, or `storage`.
  public func contents(of name: Name, adapter: Int) throws(FormatError) -> [UInt8] {
    guard let info = tensor(name, adapter: adapter) else {
      throw .unsupported("tensor \(name)")
    }
    var contents = [UInt8](repeating: 0, count: info.byteCount)
    try unsafe contents.withUnsafeMutableBytesThrowing { buffer throws(FormatError) in
      try unsafe read(name, adapter: adapter, at: 0, into: buffer)
    }
    guard Digest(of: contents) == digest(of: name, adapter: adapter) else { throw .tensor(name) }
    return contents
  }

  /// The text of the manifest, read once more.
  ///
  /// - Throws: `FormatError.digest` where the file has changed since it was opened.
  package func manifestText() throws(FormatError) -> [UInt8] {
    let (_, digest, text) = try Envelope.open(bytes)
    guard digest == self.digest else { throw .digest }
    return text
  }

  func chunkName(_ adapter: Int, _ stream: Int, _ chunk: Int) -> String {
    "adapter \(manifest.adapters[adapter].name), stream \(stream), chunk \(chunk)"
  }
}

// MARK: - Reading everything

extension AdapterFile {
  /// Restores every tensor of an adapter once, on all processors, and checks each digest.
  ///
  /// - Parameters:
  ///   - adapter: its index in the manifest.
  ///   - body: takes a tensor, a place in it, and the bytes from there on: every byte once, but in no order, and
  ///     from several threads at once.
  /// - Throws: `FormatError` as `contents(of:adapter:)` does, or what `body` throws.
  /// - Returns: the names of the tensors that hold a NaN or an infinity.
  @discardableResult
  package func restore(
    adapter: Int,
    _ body:
      @Sendable (TensorInfo, _ offset: Int, UnsafeRawBufferPointer) throws(FormatError) -> Void
  ) throws(FormatError) -> [Name] {
    var nonfinite: [Name] = []
    for stream in manifest.adapters[adapter].streams.indices {
      guard let pass = StreamRestoration(self, adapter: adapter, stream: stream) else { continue }
      nonfinite += try unsafe pass.run(body)
    }
    return nonfinite
  }

  /// Copies the stored bytes of an adapter's opaque streams, their checksums checked.
  ///
  /// - Throws: `FormatError.checksum`, or `storage`.
  package func copyOpaqueStreams(
    adapter: Int, to sink: any ByteSink
  ) throws(FormatError) {
    for (index, stream) in manifest.adapters[adapter].streams.enumerated() where stream.isOpaque {
      try forEachPiece(ofStream: index, of: adapter) { piece throws(FormatError) in
        try storing { () throws(StorageError) in try sink.write(piece) }
      }
    }
  }

  /// Checks every checksum, every frame and every digest, stream by stream, and then the lists of non-finite tensors.
  ///
  /// - Throws: `FormatError` of the first fault.
  public func verify() throws(FormatError) {
    var nonfinite: [[Name]] = []
    for (index, adapter) in manifest.adapters.enumerated() {
      var own: [Name] = []
      for stream in adapter.streams.indices {
        if let pass = StreamRestoration(self, adapter: index, stream: stream) {
          own += try unsafe pass.run { _, _, _ throws(FormatError) in }
        } else {
          try forEachPiece(ofStream: stream, of: index) { _ throws(FormatError) in }
        }
      }
      nonfinite.append(own)
    }
    for (index, adapter) in manifest.adapters.enumerated() {
      guard let listed = adapter.nonfinite else { continue }
      let readable = Set(listed.filter { tensor($0, adapter: index) != nil })
      guard readable == Set(nonfinite[index]) else {
        throw .manifest("adapter \(adapter.name): \"nonfinite\" does not list what is not finite")
      }
    }
  }

  private func forEachPiece(
    ofStream index: Int, of adapter: Int, _ body: ([UInt8]) throws(FormatError) -> Void
  ) throws(FormatError) {
    for (number, chunk) in manifest.adapters[adapter].streams[index].chunks.enumerated() {
      try chunk.forEachPiece(of: bytes, place: chunkName(adapter, index, number), body)
    }
  }
}
