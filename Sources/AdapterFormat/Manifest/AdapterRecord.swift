internal import Storage
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
  /// The adapter's operations on its base, in order.
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
      case "name": name = try fields.name(&reader)
      case "method": method = try fields.string(&reader)
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
    self.streams =
      switch form {
      case .packed: try fields.require(streams, "streams")
      case .unpacked: streams ?? []
      }
    try checkWhole(form)
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

extension AdapterRecord.InertTensor {
  init(parsing reader: inout JSONReader) throws(FormatError) {
    var fields = try ObjectFields(&reader, "an inert tensor")
    var tensor: Name?
    var window: [Range<Int>]?
    var reason: String?
    while let key = try fields.next(&reader) {
      switch key {
      case "tensor": tensor = try fields.name(&reader)
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
