public import AdapterFormat
public import Storage
public import StrictJSON
public import SystemPackage

/// An adapter: what it does to which parameter of which base, and the tensors it needs for that.
///
/// It comes from an `.adp` file, or from a foreign format by way of `AdapterInterop`.
public struct Adapter: Sendable {
  /// Its name, unique in its file.
  public package(set) var name: Name
  /// The method's name, for people.
  public let method: String
  /// Its operations, in order.
  public package(set) var operations: [Operation]
  /// Tensors that nothing uses.
  public let inert: [AdapterRecord.InertTensor]
  /// Where it came from.
  public let source: SourceRecord?
  /// Files that lay beside its source.
  public let files: [FileRecord]
  /// The base that it was made for.
  public package(set) var base: BaseRecord?
  /// Tensors of its source that the user has left out.
  public package(set) var leftOut: [Name] = []
  /// Its tensors that this version can decode.
  public let tensors: [TensorInfo]
  private let origin: Origin

  private enum Origin: Sendable {
    case file(AdapterFile, index: Int)
    case contents([Name: TensorContents])
  }

  /// An adapter of an open file.
  ///
  /// - Throws: `FormatError.manifest` where an operation breaks the rules of its section.
  public init(_ file: AdapterFile, index: Int) throws(FormatError) {
    let record = file.manifest.adapters[index]
    var operations: [Operation] = []
    operations.reserveCapacity(record.operations.count)
    for operation in record.operations {
      operations.append(try Operation(operation) { file.tensor($0, adapter: index) })
    }
    name = record.name
    method = record.method
    self.operations = operations
    inert = record.inert
    source = record.source
    files = record.files
    base = file.manifest.base
    tensors = record.streams.flatMap(\.tensors).compactMap { file.tensor($0.name, adapter: index) }
    origin = .file(file, index: index)
  }

  /// An adapter whose tensors are elsewhere.
  public init(
    name: Name, method: String, operations: [Operation], inert: [AdapterRecord.InertTensor],
    source: SourceRecord?, files: [FileRecord], base: BaseRecord?, tensors: [TensorContents]
  ) {
    self.name = name
    self.method = method
    self.operations = operations
    self.inert = inert
    self.source = source
    self.files = files
    self.base = base
    self.tensors = tensors.map(\.info)
    origin = .contents(
      Dictionary(tensors.map { ($0.info.name, $0) }, uniquingKeysWith: { first, _ in first }))
  }

  /// A tensor's element type and shape; nil where there is none of this name.
  public func tensor(_ name: Name) -> TensorInfo? {
    switch origin {
    case .file(let file, let index): file.tensor(name, adapter: index)
    case .contents(let contents): contents[name]?.info
    }
  }

  /// A tensor's bytes; those of an `.adp` file with their digest checked.
  ///
  /// - Throws: `FormatError` where they cannot be read, or are damaged; `excess` where an `.adp` file stands for
  ///   far more bytes than it has.
  public func contents(of name: Name) throws(FormatError) -> [UInt8] {
    switch origin {
    case .file(let file, let index):
      try checkHeld(name)
      return try file.contents(of: name, adapter: index)
    case .contents(let contents):
      guard let tensor = contents[name] else { throw .manifest("no tensor \(name)") }
      return try rethrowing(as: FormatError.storage) { () throws(StorageError) in
        try tensor.bytes.bytes(at: tensor.offset, count: tensor.info.byteCount)
      }
    }
  }

  /// Some bytes of a tensor. Of an `.adp` file the checksums of what is decoded for them are checked, and not the
  /// tensor's digest.
  ///
  /// - Throws: `FormatError` where they cannot be read, or are damaged.
  package func contents(of name: Name, _ range: Range<Int>) throws(FormatError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: range.count)
    switch origin {
    case .file(let file, let index):
      try unsafe bytes.withUnsafeMutableBytesThrowing { buffer throws(FormatError) in
        try unsafe file.read(name, adapter: index, at: range.lowerBound, into: buffer)
      }
    case .contents(let contents):
      guard let tensor = contents[name] else { throw .manifest("no tensor \(name)") }
      try rethrowing(as: FormatError.storage) { () throws(StorageError) in
        try unsafe bytes.withUnsafeMutableBytesThrowing { buffer throws(StorageError) in
          try unsafe tensor.bytes.read(
            at: tensor.offset + UInt64(range.lowerBound), into: buffer)
        }
      }
    }
    return bytes
  }

  /// Bytes of a tensor that are looked at together.
  private static let pieceByteCount = 1 << 20

  /// Calls `body` with one piece of a tensor after the other, as long as it returns true; digests are not checked.
  ///
  /// - Throws: `FormatError` where they cannot be read, or are damaged.
  func forEachPiece(
    of info: TensorInfo, _ body: ([UInt8]) -> Bool
  ) throws(FormatError) {
    for start in stride(from: 0, to: info.byteCount, by: Self.pieceByteCount) {
      let end = min(info.byteCount, start + Self.pieceByteCount)
      guard body(try contents(of: info.name, start..<end)) else { return }
    }
  }

  /// The digest of what a tensor holds.
  ///
  /// - Throws: `FormatError` where it cannot be read, or is damaged.
  package func contentsDigest(of info: TensorInfo) throws(FormatError) -> Digest {
    var hasher = DigestHasher()
    try forEachPiece(of: info) { piece in
      hasher.update(piece)
      return true
    }
    return hasher.finish()
  }

  /// The recorded digest of a tensor; nil where the adapter is not from an `.adp` file.
  package func digest(of name: Name) -> Digest? {
    file.flatMap { $0.file.digest(of: name, adapter: $0.index) }
  }

  /// Refuses to hold a tensor in memory that takes far more there than in its file.
  private func checkHeld(_ name: Name) throws(FormatError) {
    guard let file = file?.file, let info = tensor(name) else { return }
    guard UInt64(info.byteCount) <= Limits.heldBytes(fileLength: file.byteCount) else {
      throw .excess("tensor \(name) of \(info.byteCount) bytes")
    }
  }

  /// Its tensors but for the files that it carries, which are not parameters.
  package var trainedTensors: [TensorInfo] {
    let carried = files.carriedTensors
    return tensors.filter { !carried.contains($0.name) }
  }

  /// Bytes that it takes on disk, about: those of its file, or of its tensors.
  package var storedByteCount: UInt64 {
    file?.file.byteCount ?? tensors.reduce(0) { $0 + UInt64($1.byteCount) }
  }

  /// The adapter with some of its operations only.
  package func keeping(_ isKept: (Operation) -> Bool) -> Adapter {
    var result = self
    result.operations = operations.filter(isKept)
    return result
  }

  /// The adapter without what acts at run time.
  package var onWeights: Adapter { keeping { $0.kind?.laws.manner.prompt == nil } }

  /// The file it is in, and its place there; nil for one that came from elsewhere.
  package var file: (file: AdapterFile, index: Int)? {
    guard case .file(let file, let index) = origin else { return nil }
    return (file, index)
  }
}

// MARK: - Files

extension Adapter {
  /// The adapters of an `.adp` file.
  ///
  /// - Throws: `FormatError` where the file breaks a rule of the format.
  public static func open(_ path: FilePath) throws(FormatError) -> [Adapter] {
    try adapters(of: AdapterFile.open(path))
  }

  /// The adapters of an open file.
  ///
  /// - Throws: `FormatError.manifest` where an operation breaks the rules of its section.
  public static func adapters(of file: AdapterFile) throws(FormatError) -> [Adapter] {
    var adapters: [Adapter] = []
    for index in file.manifest.adapters.indices {
      adapters.append(try Adapter(file, index: index))
    }
    return adapters
  }

  /// Writes adapters for one base as one `.adp` file, in one pass.
  ///
  /// - Throws: `FormatError` where they cannot be read or written, or break a rule of the format.
  /// - Returns: the manifest digest.
  @discardableResult
  public static func write(
    _ adapters: [Adapter], metadata: [Manifest.MetadataEntry] = [], to sink: any ByteSink,
    level: CompressionLevel = .default
  ) throws(FormatError) -> Digest {
    var writer = try AdapterWriter(to: sink, level: level)
    for adapter in adapters {
      try writer.append(adapter.record, tensors: try adapter.allContents())
    }
    let leftOut = adapters.flatMap(\.leftOut).map(\.text)
    let note =
      leftOut.isEmpty ? [] : [Manifest.MetadataEntry("left_out", leftOut.joined(separator: ", "))]
    return try writer.finish(
      generator: "adapter \(toolVersion)", metadata: metadata + note, base: adapters.first?.base)
  }

  /// Refuses now what a file could not hold: names with control characters, shapes of more than eight
  /// dimensions, and whatever else a reader of its manifest would find.
  ///
  /// - Throws: `FormatError` of the rule that is broken.
  package func checkExpressible() throws(FormatError) {
    let manifest = manifest
    try manifest.check(.unpacked)
    for record in manifest.adapters { try record.check(against: tensors) }
  }

  /// The manifest of a file of it alone, without streams.
  ///
  /// - Throws: `FormatError` where it cannot be written down.
  package func manifestText() throws(FormatError) -> [UInt8] { manifest.text }

  private var manifest: Manifest {
    Manifest(generator: nil, metadata: [], base: base, adapters: [record])
  }

  /// As the manifest lists it, without streams.
  private var record: AdapterRecord {
    var record = AdapterRecord(name: name, method: method)
    record.inert = inert
    record.operations = operations.map(\.record)
    record.source = source
    record.files = files
    return record
  }

  private func allContents() throws(FormatError) -> [TensorContents] {
    var all: [TensorContents] = []
    for info in tensors {
      if case .contents(let contents) = origin, let tensor = contents[info.name] {
        all.append(tensor)
      } else {
        let bytes = MemoryBytes(try contents(of: info.name))
        all.append(TensorContents(info, bytes: bytes, offset: 0))
      }
    }
    return all
  }
}

extension AdapterFile {
  /// Opens a file by its path.
  ///
  /// - Throws: `FormatError`, of the kind `storage` where the file cannot be read.
  public static func open(_ path: FilePath) throws(FormatError) -> AdapterFile {
    try AdapterFile(
      try rethrowing(as: FormatError.storage) { () throws(StorageError) in try File(path) })
  }
}
