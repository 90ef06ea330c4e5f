public import Storage
public import StrictJSON

/// A run of tensors of one element type, and the chunks that hold it (Spec/adp-v1.md, section 6).
public struct StreamRecord: Sendable, Hashable {
  /// The element type's name.
  public let dtype: String
  /// The element type; nil where this version does not know it.
  public let type: ElementType?
  /// How chunks are coded: `planes`.
  public let code: String
  /// Units in a chunk.
  public let chunk: Int
  /// The tensors, in the order of their bytes.
  public let tensors: [TensorRecord]
  /// The chunks, in order.
  public internal(set) var chunks: [ChunkRecord]
  /// Why the stream cannot be decoded by this version; nil where it can.
  public let opaqueReason: String?

  /// The record as it stands in the manifest, where the stream is opaque: it may hold keys that this
  /// version does not know.
  private let verbatim: [UInt8]?

  /// True if this version cannot decode it ([STR-8]).
  public var isOpaque: Bool { opaqueReason != nil }

  /// Restored bytes of all its tensors; 0 for an opaque stream.
  public let byteCount: Int

  /// Stored bytes of all its chunks.
  public var storedByteCount: UInt64 { chunks.reduce(0) { $0 + UInt64($1.storedByteCount) } }

  init(type: ElementType, chunk: Int, tensors: [TensorRecord], chunks: [ChunkRecord]) {
    dtype = type.rawValue
    self.type = type
    code = "planes"
    self.chunk = chunk
    self.tensors = tensors
    self.chunks = chunks
    byteCount = tensors.reduce(0) { $0 + ($1.shape.byteCount(of: type) ?? 0) }
    opaqueReason = nil
    verbatim = nil
  }

  /// The streams that tensors will become, their digests and chunks not known yet.
  static func planned(_ tensors: [TensorInfo]) throws(FormatError) -> [StreamRecord] {
    var streams: [StreamRecord] = []
    for type in ElementType.allCases {
      var records: [TensorRecord] = []
      for info in tensors where info.type == type {
        guard info.shape.dimensions.count <= Limits.dimensions else {
          throw .manifest("tensor \(info.name) has more than \(Limits.dimensions) dimensions")
        }
        try info.name.checkAsTensor()
        records.append(TensorRecord(name: info.name, shape: info.shape, digest: Digest(of: [])))
      }
      guard !records.isEmpty else { continue }
      streams.append(
        StreamRecord(type: type, chunk: AdapterWriter.chunk, tensors: records, chunks: []))
    }
    return streams
  }

  /// Gives the chunks their places from `offset` on; returns where they end.
  mutating func place(at offset: UInt64) -> (partialValue: UInt64, overflow: Bool) {
    var offset = offset
    for index in chunks.indices {
      chunks[index].offset = offset
      let (next, overflow) = offset.addingReportingOverflow(
        UInt64(chunks[index].storedByteCount))
      if overflow { return (0, true) }
      offset = next
    }
    return (offset, false)
  }
}

/// A tensor of an adapter.
public struct TensorRecord: Sendable, Hashable {
  /// Its name, unique in the adapter.
  public let name: Name
  /// Its shape.
  public let shape: Shape
  /// The digest of its bytes.
  public let digest: Digest
}

/// One chunk of a stream: the sizes of its frames and the checksum of their bytes.
public struct ChunkRecord: Sendable, Hashable {
  /// Bytes of each plane's frame.
  public let sizes: [UInt32]
  /// CRC-32 of the frames' bytes.
  public let checksum: UInt32
  /// Where the first frame begins in the file.
  public internal(set) var offset: UInt64 = 0

  /// Bytes of all frames; at most 2^32 times their number, which the manifest's length bounds.
  public var storedByteCount: Int { sizes.reduce(0) { $0 + Int($1) } }
}

// MARK: - Reading

extension StreamRecord {
  init(parsing reader: inout JSONReader) throws(FormatError) {
    let start = reader.offset
    var fields = try ObjectFields(&reader, "a stream")
    var dtype: String?
    var code: String?
    var chunk: UInt64?
    var tensors: [TensorRecord]?
    var chunks: [ChunkRecord]?
    var unknown: Name?
    while let key = try fields.next(&reader) {
      switch key {
      case "dtype": dtype = try fields.string(&reader)
      case "code": code = try fields.string(&reader)
      case "chunk": chunk = try fields.integer(&reader)
      case "tensors":
        tensors = try parseArray(&reader) { reader throws(FormatError) in
          try TensorRecord(parsing: &reader, unknownKey: &unknown)
        }
      case "chunks":
        chunks = try parseArray(&reader) { reader throws(FormatError) in
          try ChunkRecord(parsing: &reader)
        }
      default:
        unknown = key
        try fields.skip(&reader)
      }
    }
    self.dtype = try fields.require(dtype, "dtype")
    self.code = try fields.require(code, "code")
    self.chunk = Int(try fields.require(chunk, "chunk"))
    self.tensors = try fields.require(tensors, "tensors")
    self.chunks = try fields.require(chunks, "chunks")
    type = ElementType(rawValue: self.dtype)
    opaqueReason =
      if let unknown { "key \"\(unknown)\" in a stream" } else if type == nil {
        "element type \(self.dtype)"
      } else if self.code != "planes" { "code \"\(self.code)\"" } else { nil }
    verbatim = opaqueReason == nil ? nil : reader.text(from: start)
    byteCount =
      if let type, opaqueReason == nil { try Self.byteCount(self.tensors, type) } else { 0 }
    try check()
  }

  /// Holds it against the rules that need no other part of the manifest.
  func check() throws(FormatError) {
    for word in [dtype, code] where !Self.isWord(word) {
      throw .manifest(
        "an element type or a code is 1 to 64 letters, digits and underscores, not \(word.debugDescription)"
      )
    }
    guard !tensors.isEmpty else { throw .manifest("a stream has no tensor") }
    for tensor in tensors {
      try tensor.name.checkAsTensor()
      try tensor.shape.checkDimensions(of: "a tensor")
    }
    for row in chunks where row.sizes.isEmpty || row.sizes.contains(0) {
      throw ChunkRecord.malformed
    }
    try checkChunks()
  }

  /// [STR-9].
  private static func isWord(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
          true
        default: false
        }
      }
  }

  /// [STR-1] to [STR-4].
  private func checkChunks() throws(FormatError) {
    guard !isOpaque, let type else { return }
    let byteCount = try Self.byteCount(tensors, type)
    guard Limits.chunk.contains(chunk), chunk & (chunk - 1) == 0 else {
      throw .manifest("\(chunk) units in a chunk: not a power of two from 2^10 to 2^20")
    }
    let width = PlaneCodec(type).width
    let units = byteCount / width
    guard chunks.count == units / chunk + (units % chunk == 0 ? 0 : 1) else {
      throw .manifest("a stream of \(units) \(dtype) units has \(chunks.count) chunks of \(chunk)")
    }
    for row in chunks where row.sizes.count != width {
      throw .manifest("a chunk of \(dtype) has \(row.sizes.count) frames, not \(width)")
    }
  }

  /// [FRM-4], before any memory is taken for a frame.
  func checkFrameSizes() throws(FormatError) {
    guard !isOpaque, let type else { return }
    let units = byteCount / PlaneCodec(type).width
    for (index, row) in chunks.enumerated() {
      let count = min(chunk, units - index * chunk)
      guard row.sizes.allSatisfy({ Int($0) <= Limits.frameBytes(contentSize: count) }) else {
        throw .frame(
          "a plane of \(count) bytes is stored in more than \(Limits.frameBytes(contentSize: count))"
        )
      }
    }
  }

  /// [STR-2].
  private static func byteCount(
    _ tensors: [TensorRecord], _ type: ElementType
  ) throws(FormatError) -> Int {
    var bytes = 0
    for tensor in tensors {
      guard let count = tensor.shape.byteCount(of: type) else {
        throw .manifest("tensor \(tensor.name) does not fill whole bytes")
      }
      let (sum, overflow) = bytes.addingReportingOverflow(count)
      guard !overflow else { throw .limit("a stream of more than 2^63 bytes") }
      bytes = sum
    }
    return bytes
  }

  func encode(into writer: inout JSONWriter) {
    if let verbatim { return writer.verbatim(verbatim) }
    writer.object { writer in
      writer.member("dtype", dtype)
      writer.member("code", code)
      writer.key("chunk")
      writer.integer(chunk)
      writer.key("tensors")
      writer.array { writer in
        for tensor in tensors {
          writer.object { writer in
            writer.member("name", tensor.name.text)
            writer.member("shape", tensor.shape)
            writer.member("sha256", tensor.digest.description)
          }
        }
      }
      writer.key("chunks")
      writer.array { writer in
        for row in chunks {
          writer.array { writer in
            for size in row.sizes { writer.integer(size) }
            writer.integer(row.checksum)
          }
        }
      }
    }
  }
}

extension TensorRecord {
  init(parsing reader: inout JSONReader, unknownKey: inout Name?) throws(FormatError) {
    var fields = try ObjectFields(&reader, "a tensor")
    var name: Name?
    var shape: Shape?
    var digest: Digest?
    while let key = try fields.next(&reader) {
      switch key {
      case "name": name = try fields.name(&reader)
      case "shape": shape = try fields.shape(&reader)
      case "sha256": digest = try fields.digest(&reader)
      default:
        unknownKey = key
        try fields.skip(&reader)
      }
    }
    self.init(
      name: try fields.require(name, "name"), shape: try fields.require(shape, "shape"),
      digest: try fields.require(digest, "sha256"))
  }
}

extension ChunkRecord {
  init(parsing reader: inout JSONReader) throws(FormatError) {
    var row = try parseArray(&reader) { reader throws(FormatError) in
      let value = try parsing { () throws(JSONError) in try reader.integer() }
      guard let value = UInt32(exactly: value) else {
        throw .manifest("a chunk's row holds \(value), which is not below 2^32")
      }
      return value
    }
    guard let checksum = row.popLast() else { throw Self.malformed }
    self.init(sizes: row, checksum: checksum)
  }

  static var malformed: FormatError {
    .manifest("a chunk's row is [frame sizes, each at least 1, and a CRC-32]")
  }
}
