package import Storage
public import StrictJSON

/// One adapter of a file, as its manifest lists it (Spec/adp-v1.md, section 5).
public struct AdapterRecord: Sendable, Hashable {
  /// The adapter's name, unique in the file.
  public var name: Name
  /// The method's name, for people: `lora`, `ia3`, …
  public var method: String
  /// Tensors that nothing uses.
  public var inert: [InertTensor] = []
  /// The tensors that hold a NaN or an infinity; nil where the writer did not look.
  public var nonfinite: [Name]?
  /// What the adapter does to its base, in order.
  public var operations: [OperationRecord] = []
  /// Where the adapter came from.
  public var source: SourceRecord?
  /// Files that lay beside the source.
  public var files: [FileRecord] = []
  /// Where the tensors are.
  public internal(set) var streams: [StreamRecord] = []

  /// Where a record stands.
  package enum Form {
    /// In the manifest of a file.
    case packed
    /// In the `manifest.json` of a folder (Spec/folder.md): streams and `nonfinite` only for what is
    /// opaque, and rules that need the tensors checked later.
    case unpacked
  }

  /// A tensor that is carried, but that nothing uses; or a part of one.
  public struct InertTensor: Sendable, Hashable {
    /// Which.
    public let tensor: Name
    /// For each dimension the part that nothing uses; nil for all of the tensor.
    public let window: [Range<Int>]?
    /// Why it has no effect.
    public let reason: String

    /// Pairs a tensor with a reason.
    public init(tensor: Name, window: [Range<Int>]? = nil, reason: String) {
      self.tensor = tensor
      self.window = window
      self.reason = reason
    }
  }

  /// Begins an adapter without tensors.
  public init(name: Name, method: String) {
    self.name = name
    self.method = method
  }

  init(parsing reader: inout JSONReader, _ form: Form) throws(FormatError) {
    var fields = try ObjectFields(&reader, "an adapter")
    var name: Name?
    var method: String?
    var operations: [OperationRecord]?
    var streams: [StreamRecord]?
    self.init(name: "", method: "")
    while let key = try fields.next(&reader) {
      switch key {
      case "name": name = try Self.checkedAdapterName(try fields.string(&reader))
      case "method": method = try Self.checkedMethod(try fields.string(&reader))
      case "inert":
        inert = try parseArray(&reader) { reader throws(FormatError) in
          try InertTensor(parsing: &reader)
        }
      case "nonfinite": nonfinite = try parseNames(&reader)
      case "operations":
        operations = try parseArray(&reader) { reader throws(FormatError) in
          try OperationRecord(parsing: &reader)
        }
      case "source": source = try SourceRecord(parsing: &reader)
      case "files":
        files = try parseArray(&reader) { reader throws(FormatError) in
          try FileRecord(parsing: &reader)
        }
      case "streams":
        streams = try parseArray(&reader) { reader throws(FormatError) in
          try StreamRecord(parsing: &reader)
        }
      default: try fields.ignore(key, &reader)
      }
    }
    self.name = try fields.require(name, "name")
    self.method = try fields.require(method, "method")
    self.operations = try fields.require(operations, "operations")
    if form == .unpacked {
      self.streams = streams ?? []
      try checkOpaqueParts()
    } else {
      self.streams = try fields.require(streams, "streams")
      try checkAccounting()
      try checkFiles()
    }
  }

  func encode(into writer: inout JSONWriter) {
    writer.object { writer in
      writer.member("name", name.text)
      writer.member("method", method)
      if !inert.isEmpty {
        writer.key("inert")
        writer.array { writer in for entry in inert { entry.encode(into: &writer) } }
      }
      if let nonfinite { writer.member("nonfinite", nonfinite) }
      writer.key("operations")
      writer.array { writer in for operation in operations { operation.encode(into: &writer) } }
      if let source {
        writer.key("source")
        source.encode(into: &writer)
      }
      if !files.isEmpty {
        writer.key("files")
        writer.array { writer in for file in files { file.encode(into: &writer) } }
      }
      encodeStreams(into: &writer)
    }
  }

  func encodeStreams(into writer: inout JSONWriter) {
    writer.key("streams")
    writer.array { writer in for stream in streams { stream.encode(into: &writer) } }
  }
}

// MARK: - Rules

extension AdapterRecord {
  /// [NAM-2].
  package static func checkedAdapterName(_ text: String) throws(FormatError) -> Name {
    let isPlain = text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"),
        UInt8(ascii: "."):
        true
      default: false
      }
    }
    guard (1...Limits.adapterNameBytes).contains(text.utf8.count), isPlain,
      text.utf8.first != UInt8(ascii: ".")
    else {
      throw .manifest("\(text.debugDescription) is no adapter name")
    }
    return Name(text)
  }

  private static func checkedMethod(_ text: String) throws(FormatError) -> String {
    let isPlain = text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "_"):
        true
      default: false
      }
    }
    guard (1...64).contains(text.utf8.count), isPlain else {
      throw .manifest("\(text.debugDescription) is no method name")
    }
    return text
  }

  /// Every tensor is used, inert or a file, and every name is a tensor's ([MAN-2], [MAN-4],
  /// [MAN-5], [OPS-1]).
  private func checkAccounting() throws(FormatError) {
    let tensors = streams.flatMap(\.tensors)
    var places: [Name: Int] = [:]
    places.reserveCapacity(tensors.count)
    for (place, tensor) in tensors.enumerated()
    where places.updateValue(place, forKey: tensor.name) != nil {
      throw .manifest("two tensors are called \(tensor.name)")
    }
    var isUsed = tensors.map { _ in false }
    for operation in operations {
      for role in operation.tensors {
        guard let place = places[role.operand.tensor] else {
          throw unknownTensor(role.operand.tensor)
        }
        try role.operand.checkWindow(in: tensors[place].shape)
        isUsed[place] = true
      }
    }
    for file in files {
      guard let tensor = file.tensor else { continue }
      guard let place = places[tensor] else { throw unknownTensor(tensor) }
      isUsed[place] = true
    }
    var isInert = tensors.map { _ in false }
    for entry in inert {
      guard let place = places[entry.tensor] else { throw unknownTensor(entry.tensor) }
      try Operand(entry.tensor, window: entry.window).checkWindow(in: tensors[place].shape)
      guard entry.window != nil || !isUsed[place] else {
        throw .manifest("tensor \(entry.tensor) is used, and listed as inert")
      }
      if entry.window == nil { isInert[place] = true }
    }
    for name in nonfinite ?? [] where places[name] == nil { throw unknownTensor(name) }
    for (place, tensor) in tensors.enumerated() where !isUsed[place] && !isInert[place] {
      throw .manifest("tensor \(tensor.name) is neither used nor listed as inert")
    }
  }

  /// [FLD-4]: the streams of a folder's manifest are those that this version cannot decode, and
  /// `nonfinite` names tensors of theirs.
  private func checkOpaqueParts() throws(FormatError) {
    for stream in streams where !stream.isOpaque {
      throw .manifest("a stream of adapter \(name) is not opaque: packing makes it of the tensors")
    }
    let opaque = Set(streams.flatMap(\.tensors).map(\.name))
    for tensor in nonfinite ?? [] where !opaque.contains(tensor) {
      throw .manifest("\"nonfinite\" names \(tensor): packing finds that out")
    }
  }

  /// Holds the record of a folder against the tensors beside it: the rules of the names, of section 5
  /// and of 8, without the digests, which are not known yet.
  package func check(against tensors: [TensorInfo]) throws(FormatError) {
    var complete = self
    complete.streams += try StreamRecord.planned(tensors)
    try complete.checkAccounting()
  }

  /// Checks the names and shapes that tensors of a file must have.
  package static func checkTensors(_ tensors: [TensorInfo]) throws(FormatError) {
    _ = try StreamRecord.planned(tensors)
  }

  /// Tensors of all streams.
  package var tensorCount: Int { streams.reduce(0) { $0 + $1.tensors.count } }

  /// Whether it has streams that this version cannot decode, and these have bytes.
  package var hasOpaqueBytes: Bool {
    streams.contains { $0.isOpaque && $0.storedByteCount > 0 }
  }

  /// Gives the chunks of all streams their places in a run of bytes of their own. Their sizes must be
  /// known to sum up to what is there.
  package mutating func placeStreams() {
    var offset: UInt64 = 0
    for index in streams.indices { offset = streams[index].place(at: offset).partialValue }
  }

  /// [MAN-9].
  private func checkFiles() throws(FormatError) {
    guard !files.isEmpty else { return }
    var tensors: [Name: (type: ElementType?, record: TensorRecord)] = [:]
    for stream in streams where !stream.isOpaque {
      for tensor in stream.tensors { tensors[tensor.name] = (stream.type, tensor) }
    }
    var paths = Set<Name>()
    for file in files {
      guard paths.insert(file.path).inserted else { throw .manifest("two files \(file.path)") }
      guard let (type, tensor) = file.tensor.flatMap({ tensors[$0] }) else { continue }
      guard type == .u8, tensor.shape.dimensions.map(UInt64.init) == [file.size],
        tensor.digest == file.digest
      else { throw .manifest("tensor \(tensor.name) is not the file \(file.path)") }
    }
  }

  private func unknownTensor(_ name: Name) -> FormatError {
    .manifest("adapter \(self.name) has no tensor \(name)")
  }
}

extension AdapterRecord.InertTensor {
  init(parsing reader: inout JSONReader) throws(FormatError) {
    var fields = try ObjectFields(&reader, "an inert tensor")
    var tensor: Name?
    var window: [Range<Int>]?
    var reason: String?
    while let key = try fields.next(&reader) {
      switch key {
      case "tensor": tensor = try fields.tensorName(&reader)
      case "window": window = try Operand.parseWindow(&reader)
      case "reason": reason = try fields.string(&reader)
      default: try fields.ignore(key, &reader)
      }
    }
    self.init(
      tensor: try fields.require(tensor, "tensor"), window: window,
      reason: try fields.require(reason, "reason"))
  }

  func encode(into writer: inout JSONWriter) {
    writer.object { writer in
      writer.member("tensor", tensor.text)
      if let window { Operand.encode(window, into: &writer) }
      writer.member("reason", reason)
    }
  }
}
