public import Storage
package import StrictJSON

/// A tensor to be written, and where its bytes come from.
public struct TensorContents: Sendable {
  /// Its name, element type and shape.
  public let info: TensorInfo
  /// The storage that holds its bytes.
  public let bytes: any RandomAccessBytes
  /// Where they begin there.
  public let offset: UInt64

  /// Points at a tensor's bytes.
  public init(_ info: TensorInfo, bytes: any RandomAccessBytes, offset: UInt64) {
    self.info = info
    self.bytes = bytes
    self.offset = offset
  }
}

/// Writes an adapter file in one pass to any sink.
///
/// The bytes depend on the calls, the build and the version of libzstd, and on nothing else.
public struct AdapterWriter {
  /// Units in a chunk: with half of them encoding is a tenth slower, with more the work of a thread leaves its cache.
  static let chunk = 1 << 17

  private let sink: any ByteSink
  private var offset: UInt64 = 0
  /// The adapters so far.
  private(set) var adapters: [AdapterRecord] = []
  private let level: CompressionLevel

  /// Begins a file: writes the header.
  public init(to sink: any ByteSink, level: CompressionLevel = .default) throws(FormatError) {
    self.sink = sink
    self.level = level
    try emit(Envelope.header)
  }

  /// Appends an adapter.
  ///
  /// - Parameters:
  ///   - record: what it is; its streams and its `nonfinite` are made here.
  ///   - tensors: its tensors. Those of one element type become one stream, in an order that compresses well.
  /// - Throws: `FormatError` where the tensors cannot be read, or the sink not written.
  public mutating func append(
    _ record: AdapterRecord, tensors: [TensorContents]
  ) throws(FormatError) {
    var record = record
    record.streams = []
    record.nonfinite = nil
    try append(record, tensors: tensors, opaque: MemoryBytes([]))
  }

  /// Appends an adapter of a folder.
  ///
  /// - Parameters:
  ///   - record: what it is; the streams that it has already are opaque, and `nonfinite` names tensors
  ///     of theirs.
  ///   - tensors: its other tensors.
  ///   - opaque: what holds the chunks of the opaque streams.
  /// - Throws: `FormatError` where the tensors cannot be read, or the sink not written.
  package mutating func append(
    _ record: AdapterRecord, tensors: [TensorContents], opaque: any RandomAccessBytes
  ) throws(FormatError) {
    var record = record
    var nonfinite: [Name] = []
    let opaqueStreams = record.streams
    record.streams = []
    for type in ElementType.allCases {
      let members = tensors.filter { $0.info.type == type }
      guard !members.isEmpty else { continue }
      let ordered = try StreamOrder.ordered(members, type, level)
      let written = try StreamWriter(type, ordered, chunk: Self.chunk, level).write(to: sink)
      offset += written.record.storedByteCount
      record.streams.append(written.record)
      nonfinite += written.nonfinite
    }
    for stream in opaqueStreams {
      try copy(stream, from: opaque, place: "an opaque stream of adapter \(record.name)")
    }
    record.streams += opaqueStreams
    record.nonfinite = nonfinite + (record.nonfinite ?? [])
    adapters.append(record)
  }

  /// Appends an adapter of another file under a name: its stored bytes, nothing decoded. Their
  /// checksums are checked, so that damage does not go from file to file.
  ///
  /// - Throws: `FormatError.checksum` where they are damaged; the sink then holds no file.
  package mutating func copy(
    _ file: AdapterFile, adapter index: Int, as name: Name
  ) throws(FormatError) {
    var record = file.manifest.adapters[index]
    for (number, stream) in record.streams.enumerated() {
      try copy(stream, from: file.bytes, place: "adapter \(record.name), stream \(number)")
    }
    record.name = name
    adapters.append(record)
  }

  /// Appends an adapter of another file under a name, its tensors compressed anew; what this version cannot decode is
  /// copied.
  ///
  /// - Throws: `FormatError` where it is damaged; the sink then holds no file.
  package mutating func recompress(
    _ file: AdapterFile, adapter index: Int, as name: Name
  ) throws(FormatError) {
    var record = file.manifest.adapters[index]
    let byteCount = record.streams.reduce(0) { $0 &+ UInt64($1.byteCount) }
    guard byteCount <= Limits.heldBytes(fileLength: file.byteCount) else {
      throw .excess(
        "adapter \(name) has tensors of \(byteCount) bytes, which are held to be compressed anew")
    }
    var tensors: [TensorContents] = []
    for tensor in record.streams.flatMap(\.tensors) {
      guard let info = file.tensor(tensor.name, adapter: index) else { continue }
      let bytes = MemoryBytes(try file.contents(of: tensor.name, adapter: index))
      tensors.append(TensorContents(info, bytes: bytes, offset: 0))
    }
    let known = Set(tensors.map(\.info.name))
    record.name = name
    record.streams.removeAll { !$0.isOpaque }
    record.nonfinite = record.nonfinite?.filter { !known.contains($0) }
    try append(record, tensors: tensors, opaque: file.bytes)
  }

  private mutating func copy(
    _ stream: StreamRecord, from bytes: any RandomAccessBytes, place: String
  ) throws(FormatError) {
    for (number, chunk) in stream.chunks.enumerated() {
      try chunk.forEachPiece(of: bytes, place: "\(place), chunk \(number)") {
        piece throws(FormatError) in try emit(piece)
      }
    }
  }

  /// Writes manifest and footer.
  ///
  /// - Throws: `FormatError` where what was written breaks a rule of the format: the manifest is held against the
  ///   rules that a reader holds it against.
  /// - Returns: the manifest digest.
  @discardableResult
  public mutating func finish(
    generator: String, metadata: [Manifest.MetadataEntry] = [], base: BaseRecord? = nil
  ) throws(FormatError) -> Digest {
    let manifest = manifest(generator: generator, metadata: metadata, base: base)
    let text = manifest.text
    try Manifest.checkProfile(of: text)
    try manifest.check()
    return try finish(manifest, text)
  }

  /// The manifest of what was written so far.
  package func manifest(
    generator: String, metadata: [Manifest.MetadataEntry], base: BaseRecord?
  ) -> Manifest {
    Manifest(generator: generator, metadata: metadata, base: base, adapters: adapters)
  }

  /// Writes a manifest of this text, and the footer.
  ///
  /// - Throws: as the other `finish`: the text is checked as a reader checks it.
  @discardableResult
  package mutating func finish(manifest text: [UInt8]) throws(FormatError) -> Digest {
    try finish(Manifest(text: text), text)
  }

  private mutating func finish(
    _ manifest: Manifest, _ text: [UInt8]
  ) throws(FormatError) -> Digest {
    var frame = try compressed(text)
    do throws(FormatError) {
      try check(manifest, text, in: frame)
    } catch {
      guard case .limit = error else { throw error }
      // The limits count the file's bytes: what a longer file may stand for, this one may as well,
      // with its manifest as it is.
      frame = Frame.stored(text)
      try check(manifest, text, in: frame)
    }
    let footer = Envelope.Footer(
      offset: offset, stored: UInt64(frame.count), decoded: UInt64(text.count))
    let digest = Envelope.digest(manifestFrame: frame, footer: footer, text: text)
    try emit(frame)
    try emit(footer.encoded(digest: digest))
    return digest
  }

  /// Holds a manifest against the rules that depend on the file which its frame would complete.
  private func check(
    _ manifest: Manifest, _ text: [UInt8], in frame: [UInt8]
  ) throws(FormatError) {
    let length = offset + UInt64(frame.count + Envelope.footerByteCount)
    guard UInt64(text.count) <= Limits.manifestBytes(fileLength: length) else {
      throw .limit("a manifest of \(text.count) bytes in a file of \(length)")
    }
    try manifest.checkPlaces(payloadEnd: offset, fileLength: length)
  }

  private func compressed(_ text: [UInt8]) throws(FormatError) -> [UInt8] {
    let matches = FrameCompressor(.matches(level: level == .max ? 19 : 9))
    var frame = [UInt8](repeating: 0, count: FrameCompressor.capacity(contentSize: text.count))
    let size = try unsafe frame.withUnsafeMutableBytesThrowing { frame throws(FormatError) in
      try unsafe text.withUnsafeBytesThrowing { text throws(FormatError) in
        try unsafe matches.compress(text, into: frame)
      }
    }
    return Array(frame[..<size])
  }

  private mutating func emit(_ bytes: [UInt8]) throws(FormatError) {
    let sink = sink
    try storing { () throws(StorageError) in try sink.write(bytes) }
    offset += UInt64(bytes.count)
  }
}
