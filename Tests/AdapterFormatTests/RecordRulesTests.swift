import AdapterFormat
import Storage
import StrictJSON
import Testing

/// A manifest that breaks one rule, made of one that breaks none.
struct BrokenManifest: Sendable, CustomTestStringConvertible {
  let fault: String
  let edit: @Sendable (inout ManifestParts) throws -> Void
  var testDescription: String { fault }

  static let all: [BrokenManifest] = names + shapes + accounting + files + fingerprints + texts
}

/// What a manifest is made of.
struct ManifestParts {
  var metadata: [Manifest.MetadataEntry] = []
  var base: BaseRecord?
  var adapters: [AdapterRecord]

  /// Tensors `a` and `b` of F32 [2, 3], used, `c` inert, and a file.
  init() throws {
    var record = AdapterRecord(name: "default", method: "lora")
    record.operations = [
      OperationRecord(
        op: "add_low_rank", target: "m.weight",
        tensors: [.init("a", Operand("a")), .init("b", Operand("b", window: [0..<1, 1..<3]))],
        attributes: [.init("scale", .number(0.5))])
    ]
    record.inert = [.init(tensor: "c", reason: "test")]
    record.files = [
      FileRecord(path: "notes.txt", size: 4, digest: Self.digest(of: "file"), tensor: "file")
    ]
    adapters = [record]
    let bytes = [UInt8](repeating: 1, count: 16)
    base = BaseRecord(
      name: "base", revision: nil, architecture: nil,
      fingerprint: try Self.fingerprint(exact: bytes, value: bytes))
  }

  static func digest(of name: Name) -> Digest { Digest(of: Array(name.text.utf8)) }

  static func fingerprint(
    name: Name = "m.weight", type: ElementType = .f32, dimensions: [UInt64] = [2, 3],
    exact: [UInt8] = Array(repeating: 1, count: 16),
    value: [UInt8]? = Array(repeating: 1, count: 16),
    sketch: [FingerprintRecord.Sketch] = []
  ) throws -> FingerprintRecord {
    let shape = try #require(Shape(dimensions))
    return FingerprintRecord(
      tensors: [.init(name: name, type: type, shape: shape, exact: exact, value: value)],
      sketch: sketch)
  }

  /// A writer of their tensors, and the manifest.
  func written() throws -> (writer: AdapterWriter, manifest: Manifest) {
    var writer = try AdapterWriter(to: MemorySink())
    for record in adapters {
      var tensors = try ["a", "b", "c"].map { name in
        let info = TensorInfo(name: Name(name), type: .f32, shape: try #require(Shape([2, 3])))
        return TensorContents(info, bytes: MemoryBytes(Array(repeating: 0, count: 24)), offset: 0)
      }
      let info = TensorInfo(name: "file", type: .u8, shape: try #require(Shape([4])))
      tensors.append(TensorContents(info, bytes: MemoryBytes(Array("file".utf8)), offset: 0))
      try writer.append(record, tensors: tensors)
    }
    return (writer, writer.manifest(generator: "test", metadata: metadata, base: base))
  }
}

extension BrokenManifest {
  private static func record(
    _ fault: String, _ edit: @escaping @Sendable (inout AdapterRecord) throws -> Void
  ) -> BrokenManifest {
    BrokenManifest(fault: fault) { try edit(&$0.adapters[0]) }
  }

  private static func fingerprint(
    _ fault: String, _ make: @escaping @Sendable () throws -> FingerprintRecord
  ) -> BrokenManifest {
    BrokenManifest(fault: fault) { $0.base?.fingerprint = try make() }
  }

  private static let long = Name(String(repeating: "n", count: 1025))

  private static let names: [BrokenManifest] = [
    record("no adapter name") { $0.name = "" },
    record("an adapter name with a dot first") { $0.name = ".hidden" },
    record("a method with capitals") { $0.method = "LoRA" },
    record("a target without a name") { $0.operations[0].target = "" },
    record("a target with a control character") { $0.operations[0].target = "a\u{7F}" },
    record("a bound name that is too long") { $0.operations[0].bound = ["m.weight", long] },
    record("an operand called __metadata__") {
      $0.operations[0].tensors.append(.init("c", Operand("__metadata__")))
    },
    record("an inert tensor with a control character") {
      $0.inert.append(.init(tensor: "a\n", reason: "test"))
    },
    BrokenManifest(fault: "two adapters of one name") { $0.adapters.append($0.adapters[0]) },
    BrokenManifest(fault: "no adapter") { $0.adapters = [] },
  ]

  private static let shapes: [BrokenManifest] = [
    record("nine dimensions") {
      $0.operations[0].shape = Shape(Array(repeating: 1, count: 9))
    },
    record("a window with too few dimensions") {
      $0.operations[0].tensors[1] = .init("b", Operand("b", window: [0..<1]))
    },
    record("a window that reaches out") {
      $0.operations[0].tensors[1] = .init("b", Operand("b", window: [0..<1, 1..<4]))
    },
    record("an inert window that reaches out") {
      $0.inert.append(.init(tensor: "b", window: [0..<3, 0..<1], reason: "test"))
    },
  ]

  private static let accounting: [BrokenManifest] = [
    record("a tensor that is not there") {
      $0.operations[0].tensors[0] = .init("a", Operand("other"))
    },
    record("a tensor that nothing uses") { $0.operations[0].tensors.removeLast() },
    record("a tensor that is used and inert") {
      $0.inert.append(.init(tensor: "a", reason: "test"))
    },
    record("an inert tensor that is not there") {
      $0.inert.append(.init(tensor: "other", reason: "test"))
    },
  ]

  private static let files: [BrokenManifest] = [
    record("a file in a folder") { $0.setFile("a/b", of: 4) },
    record("a file that is the folder above") { $0.setFile("..", of: 4) },
    record("a file of another length") { $0.setFile("notes.txt", of: 5) },
    record("a file of another digest") { $0.setFile("notes.txt", of: 4, digestOf: "other") },
    record("a file in no tensor") { $0.setFile("notes.txt", of: 4, tensor: "other") },
    record("two files of one name") { $0.files.append($0.files[0]) },
  ]

  private static let fingerprints: [BrokenManifest] = [
    fingerprint("a fingerprint of 15 bytes") {
      try ManifestParts.fingerprint(exact: Array(repeating: 1, count: 15))
    },
    fingerprint("a value of 17 bytes") {
      try ManifestParts.fingerprint(value: Array(repeating: 1, count: 17))
    },
    fingerprint("a float without a value") { try ManifestParts.fingerprint(value: nil) },
    fingerprint("bytes with a value") { try ManifestParts.fingerprint(type: .u8) },
    fingerprint("a sampled tensor without a name") { try ManifestParts.fingerprint(name: "") },
    fingerprint("a sampled tensor of nine dimensions") {
      try ManifestParts.fingerprint(dimensions: Array(repeating: 1, count: 9))
    },
    fingerprint("a sketch of 127 bytes") {
      try ManifestParts.fingerprint(
        sketch: [.init(name: "m.weight", bytes: Array(repeating: 0, count: 127))])
    },
    fingerprint("a sketch of another tensor") {
      try ManifestParts.fingerprint(
        sketch: [.init(name: "other", bytes: Array(repeating: 0, count: 128))])
    },
  ]

  /// Rules of the text that is made of the records.
  private static let texts: [BrokenManifest] = [
    BrokenManifest(fault: "a metadata key twice") {
      $0.metadata = [.init("license", "a"), .init("license", "b")]
    },
    record("a role twice") { $0.operations[0].tensors.append(.init("a", Operand("a"))) },
    record("a key that operations have twice") {
      $0.operations[0].attributes.append(.init("op", .null))
    },
    record("a key within a key twice") {
      $0.operations[0].attributes = [.init("x", .object([.init("y", .null), .init("y", .null)]))]
    },
    record("seventeen levels") {
      var value = JSONValue.null
      for _ in 0..<12 { value = .array([value]) }
      $0.operations[0].attributes = [.init("x", value)]
    },
    record("too many values") {
      $0.operations[0].attributes = [.init("x", .array(Array(repeating: .null, count: 1 << 20)))]
    },
  ]
}

extension AdapterRecord {
  fileprivate mutating func setFile(
    _ path: Name, of size: UInt64, digestOf contents: Name = "file", tensor: Name = "file"
  ) {
    files = [
      FileRecord(
        path: path, size: size, digest: ManifestParts.digest(of: contents), tensor: tensor)
    ]
  }
}

/// A manifest is refused for the same reason wherever it comes from: made in memory, or read from a text.
@Suite struct RecordRulesTests {
  @Test func aManifestWithoutFaultIsWritten() throws {
    var (writer, manifest) = try ManifestParts().written()
    try manifest.check()
    try writer.finish(generator: "test", metadata: manifest.metadata, base: manifest.base)
  }

  @Test(arguments: BrokenManifest.all)
  func recordsAndTextsAreRefusedAlike(_ broken: BrokenManifest) throws {
    var parts = try ManifestParts()
    try broken.edit(&parts)
    let (writer, manifest) = try parts.written()
    let ofRecords = #expect(throws: FormatError.self) {
      var writer = writer
      try writer.finish(generator: "test", metadata: parts.metadata, base: parts.base)
    }
    let ofText = #expect(throws: FormatError.self) {
      var writer = writer
      try writer.finish(manifest: manifest.text)
    }
    #expect(ofRecords == ofText)
  }

  /// Integers of JSON end at 2^53 - 1; records made in memory could have larger ones.
  @Test func aFileThatIsTooLongForJSONIsRefused() throws {
    var parts = try ManifestParts()
    parts.adapters[0].files.append(
      FileRecord(
        path: "far.bin", size: 1 << 53, digest: ManifestParts.digest(of: "far"), tensor: nil))
    var (writer, manifest) = try parts.written()
    let error = #expect(throws: FormatError.self) { try manifest.check() }
    #expect(error?.kind == "manifest")
    let ofText = #expect(throws: FormatError.self) { try writer.finish(manifest: manifest.text) }
    #expect(ofText?.kind == "manifest")
  }
}
