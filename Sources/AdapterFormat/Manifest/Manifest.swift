public import StrictJSON

/// The description that an adapter file gives of itself (Spec/adp-v1.md, section 5).
public struct Manifest: Sendable, Hashable {
  /// The program that wrote the file.
  public var generator: String?
  /// Free texts: licence, description, and so on.
  public var metadata: [MetadataEntry] = []
  /// The base that the adapters were made for.
  public var base: BaseRecord?
  /// The adapters, at least one.
  public var adapters: [AdapterRecord]
  /// The first key that is ignored because this version does not know it ([MAN-7]), and where it is:
  /// an edit other than one of the metadata would lose it. Nil where there is none.
  package private(set) var unknownKey: String?

  /// One entry of the metadata.
  public struct MetadataEntry: Sendable, Hashable {
    /// Its key, unique.
    public let key: Name
    /// Its text.
    public let value: String

    /// Pairs a key with a text.
    public init(_ key: Name, _ value: String) {
      self.key = key
      self.value = value
    }

    static func encode(_ entries: [MetadataEntry], into writer: inout JSONWriter) {
      writer.object { writer in
        for entry in entries { writer.member(entry.key, entry.value) }
      }
    }
  }

  package init(
    generator: String?, metadata: [MetadataEntry], base: BaseRecord?, adapters: [AdapterRecord]
  ) {
    self.generator = generator
    self.metadata = metadata
    self.base = base
    self.adapters = adapters
  }
}

extension Manifest {
  /// Reads and checks a manifest's text.
  ///
  /// - Parameters:
  ///   - text: the decoded text.
  ///   - payloadEnd: where the payload ends in the file.
  ///   - fileLength: the file's length, which bounds what the payload may restore to.
  /// - Throws: `FormatError` of the rule that is broken.
  init(
    text: [UInt8], payloadEnd: UInt64, fileLength: UInt64
  ) throws(FormatError) {
    try self.init(text: text)
    try place(payloadEnd: payloadEnd, fileLength: fileLength)
  }

  /// Reads and checks a manifest's text, but for the places of its streams in a file.
  init(text: [UInt8]) throws(FormatError) {
    var reader = try Manifest.reader(of: text)
    do throws(FormatError) {
      self = try Manifest(parsing: &reader)
    } catch {
      try Manifest.checkProfile(of: text)
      // A file of the future may break rules of today: what it requires says so best.
      try Manifest.checkRequirements(in: text)
      throw error
    }
    try parsing { () throws(JSONError) in try reader.finish() }
  }

  /// Reads the manifest of a folder (Spec/folder.md), which has no streams but opaque ones. What needs
  /// the tensors is not checked.
  package init(unpacked text: [UInt8]) throws(FormatError) {
    var reader = try Manifest.reader(of: text)
    do throws(FormatError) {
      self = try Manifest(parsing: &reader, .unpacked)
    } catch {
      try Manifest.checkRequirements(in: text)
      throw error
    }
    try parsing { () throws(JSONError) in try reader.finish() }
  }

  private static func reader(of text: [UInt8]) throws(FormatError) -> JSONReader {
    var reader = try parsing { () throws(JSONError) in
      try JSONReader(text, maximumDepth: Limits.depth)
    }
    reader.remainingValues = Limits.operationValues
    return reader
  }

  private init(
    parsing reader: inout JSONReader, _ form: AdapterRecord.Form = .packed
  ) throws(FormatError) {
    var fields = try ObjectFields(&reader, "the manifest")
    var generator: String?
    var metadata: [MetadataEntry] = []
    var base: BaseRecord?
    var adapters: [AdapterRecord]?
    while let key = try fields.next(&reader) {
      switch key {
      case "generator": generator = try fields.string(&reader)
      case "requires": try Manifest.checkRequirements(&reader)
      case "metadata": metadata = try Manifest.parseMetadata(&reader)
      case "base": base = try BaseRecord(parsing: &reader)
      case "adapters":
        adapters = try parseArray(&reader) { reader throws(FormatError) in
          try AdapterRecord(parsing: &reader, form)
        }
      default: try fields.ignore(key, &reader)
      }
    }
    self.init(
      generator: generator, metadata: metadata, base: base,
      adapters: try fields.require(adapters, "adapters"))
    unknownKey = reader.firstIgnored
    try checkWhole()
  }

  /// Holds all of a text against the JSON profile, of which a breach is reported before any other.
  static func checkProfile(of text: [UInt8]) throws(FormatError) {
    var reader = try reader(of: text)
    try parsing { () throws(JSONError) in
      try reader.skip()
      try reader.finish()
    }
  }

  /// Looks for requirements alone.
  private static func checkRequirements(in text: [UInt8]) throws(FormatError) {
    var reader = try reader(of: text)
    var fields = try ObjectFields(&reader, "the manifest")
    while let key = try fields.next(&reader) {
      if key == "requires" { try checkRequirements(&reader) } else { try fields.skip(&reader) }
    }
  }

  /// [MAN-3]: this version defines no requirement, so each one is unknown.
  private static func checkRequirements(_ reader: inout JSONReader) throws(FormatError) {
    let names = try parseStrings(&reader)
    if let first = names.first { throw .requires(first) }
  }

  private static func parseMetadata(
    _ reader: inout JSONReader
  ) throws(FormatError) -> [MetadataEntry] {
    var entries: [MetadataEntry] = []
    var fields = try ObjectFields(&reader, "metadata")
    while let key = try fields.next(&reader) {
      entries.append(MetadataEntry(key, try fields.string(&reader)))
    }
    return entries
  }
}

// MARK: - Rules

extension Manifest {
  /// Holds a manifest that was made in memory against the rules that one which is read is held against, but for
  /// those of the JSON profile, which are rules of its text.
  ///
  /// - Parameter form: where it will stand.
  /// - Throws: `FormatError` of the rule that is broken.
  package func check(_ form: AdapterRecord.Form = .packed) throws(FormatError) {
    try base?.check()
    for adapter in adapters { try adapter.check(form) }
    let operations = adapters.lazy.flatMap(\.operations)
    guard operations.reduce(0, { $0 + $1.valueCount }) <= Limits.operationValues else {
      throw OperationRecord.tooManyValues
    }
    try checkWhole()
  }

  /// The rules that are not those of one adapter or the base.
  private func checkWhole() throws(FormatError) {
    guard !adapters.isEmpty else { throw .manifest("no adapter") }
    var names = Set<Name>()
    for adapter in adapters where !names.insert(adapter.name).inserted {
      throw .manifest("two adapters are called \(adapter.name)")
    }
  }

  /// Checks the places that the chunks would have in a file.
  ///
  /// - Parameters:
  ///   - payloadEnd: where the payload ends in the file.
  ///   - fileLength: the file's length.
  /// - Throws: `FormatError` of the rule that is broken.
  func checkPlaces(payloadEnd: UInt64, fileLength: UInt64) throws(FormatError) {
    var placed = self
    try placed.place(payloadEnd: payloadEnd, fileLength: fileLength)
  }

  /// Gives every chunk its place, which is a sum of sizes, and checks the sums ([MAN-6], [LIM-2]).
  private mutating func place(payloadEnd: UInt64, fileLength: UInt64) throws(FormatError) {
    var offset = UInt64(Envelope.header.count)
    var restored: UInt64 = 0
    for adapter in adapters.indices {
      for stream in adapters[adapter].streams.indices {
        let (next, overflow) = adapters[adapter].streams[stream].place(at: offset)
        guard !overflow else { throw .manifest("the frame sizes overflow") }
        offset = next
        let record = adapters[adapter].streams[stream]
        guard !record.isOpaque else { continue }
        restored = restored.addingReportingOverflow(UInt64(record.byteCount)).partialValue
        guard restored <= Limits.payloadBytes(fileLength: fileLength) else {
          throw .limit("the tensors are too large for a file of \(fileLength) bytes")
        }
      }
    }
    guard offset == payloadEnd else {
      throw .manifest("the frames end at \(offset), the payload at \(payloadEnd)")
    }
    for stream in adapters.flatMap(\.streams) { try stream.checkFrameSizes() }
  }
}

// MARK: - Writing

extension Manifest {
  /// The text of a file's manifest.
  package var text: [UInt8] {
    var writer = JSONWriter()
    encode(into: &writer)
    return writer.bytes
  }

  /// Writes the manifest in the order of the specification.
  func encode(into writer: inout JSONWriter) {
    writer.object { writer in
      if let generator { writer.member("generator", generator) }
      if !metadata.isEmpty {
        writer.key("metadata")
        MetadataEntry.encode(metadata, into: &writer)
      }
      if let base {
        writer.key("base")
        base.encode(into: &writer)
      }
      writer.key("adapters")
      writer.array { writer in for adapter in adapters { adapter.encode(into: &writer) } }
    }
  }
}
