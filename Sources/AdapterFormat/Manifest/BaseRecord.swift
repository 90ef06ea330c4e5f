public import Storage
public import StrictJSON

/// The base model that adapters were made for (Spec/adp-v1.md, section 7).
public struct BaseRecord: Sendable, Hashable {
  /// As its makers call it.
  public var name: String?
  /// Which revision of it.
  public var revision: String?
  /// The class or model type.
  public var architecture: String?
  /// The fingerprint of its tensors.
  public var fingerprint: FingerprintRecord?

  /// Describes a base.
  public init(
    name: String?, revision: String?, architecture: String?, fingerprint: FingerprintRecord?
  ) {
    self.name = name
    self.revision = revision
    self.architecture = architecture
    self.fingerprint = fingerprint
  }

  init(parsing reader: inout JSONReader) throws(FormatError) {
    var fields = try ObjectFields(&reader, "the base")
    self.init(name: nil, revision: nil, architecture: nil, fingerprint: nil)
    while let key = try fields.next(&reader) {
      switch key {
      case "name": name = try fields.string(&reader)
      case "revision": revision = try fields.string(&reader)
      case "architecture": architecture = try fields.string(&reader)
      case "fingerprint": fingerprint = try FingerprintRecord(parsing: &reader)
      default: try fields.ignore(key, &reader)
      }
    }
  }

  /// Holds it against the rules of the format.
  func check() throws(FormatError) { try fingerprint?.check() }

  func encode(into writer: inout JSONWriter) {
    writer.object { writer in
      if let name { writer.member("name", name) }
      if let revision { writer.member("revision", revision) }
      if let architecture { writer.member("architecture", architecture) }
      if let fingerprint {
        writer.key("fingerprint")
        fingerprint.encode(into: &writer)
      }
    }
  }
}

/// Samples of a base's tensors, by which it is recognised.
public struct FingerprintRecord: Sendable, Hashable {
  /// The tensors, by name in byte order.
  public let tensors: [TensorFingerprint]
  /// Some values of some tensors: name → 32 values as F32.
  public let sketch: [Sketch]

  /// How many tensors have a sketch, at most.
  package static let maximumSketchCount = 256

  /// The fingerprint of one stored tensor.
  public struct TensorFingerprint: Sendable, Hashable {
    /// Its name in the base.
    public let name: Name
    /// Its element type.
    public let type: ElementType
    /// Its shape.
    public let shape: Shape
    /// 16 bytes over the sampled elements as stored.
    public let exact: [UInt8]
    /// 16 bytes over the sampled values as BF16; nil where the type is not F16, BF16, F32 or F64.
    public let value: [UInt8]?

    /// Describes a tensor.
    public init(name: Name, type: ElementType, shape: Shape, exact: [UInt8], value: [UInt8]?) {
      self.name = name
      self.type = type
      self.shape = shape
      self.exact = exact
      self.value = value
    }
  }

  /// Values of one tensor.
  public struct Sketch: Sendable, Hashable {
    /// The tensor's name.
    public let name: Name
    /// 32 F32, little-endian.
    public let bytes: [UInt8]

    /// Pairs a name with 128 bytes.
    public init(name: Name, bytes: [UInt8]) {
      self.name = name
      self.bytes = bytes
    }
  }

  /// Makes a fingerprint; the tensors are sorted here.
  public init(tensors: [TensorFingerprint], sketch: [Sketch]) {
    self.tensors = tensors.sorted { $0.name < $1.name }
    self.sketch = sketch.sorted { $0.name < $1.name }
  }

  /// The digest over all tensors, as section 7 defines it.
  public var digest: Digest {
    var text = Array("adp-fingerprint-1\n".utf8)
    for tensor in tensors {
      text += tensor.name.text.utf8
      text += "\t\(tensor.type.rawValue)\t".utf8
      text += tensor.shape.dimensions.map(String.init).joined(separator: ",").utf8
      text.append(UInt8(ascii: "\t"))
      text += tensor.exact.hexadecimal.utf8
      text.append(UInt8(ascii: "\t"))
      text += (tensor.value?.hexadecimal ?? "").utf8
      text.append(UInt8(ascii: "\n"))
    }
    return Digest(of: text)
  }
}

extension FingerprintRecord {
  /// The one that was read last. Adapters for one base have the same, which is most of their manifests.
  private static let last = Guarded<(text: [UInt8], record: FingerprintRecord)?>(nil)

  init(parsing reader: inout JSONReader) throws(FormatError) {
    if let (text, record) = Self.last.withLock(\.self), reader.skip(past: text) {
      self = record
      return
    }
    let start = reader.offset
    try self.init(all: &reader)
    let text = reader.text(from: start)
    // A reader remembers keys that it does not know, and would not if it passed over them.
    guard reader.firstIgnored == nil else { return }
    let record = self
    Self.last.withLock { $0 = (text, record) }
  }

  private init(all reader: inout JSONReader) throws(FormatError) {
    var fields = try ObjectFields(&reader, "the fingerprint")
    var tensors: [TensorFingerprint]?
    var digest: Digest?
    var sketch: [Sketch] = []
    while let key = try fields.next(&reader) {
      switch key {
      case "tensors": tensors = try Self.parseTensors(&reader)
      case "digest": digest = try fields.digest(&reader)
      case "sketch": sketch = try Self.parseSketch(&reader)
      default: try fields.ignore(key, &reader)
      }
    }
    self.init(tensors: try fields.require(tensors, "tensors"), sketch: sketch)
    guard self.digest == (try fields.require(digest, "digest")) else {
      throw .manifest("the fingerprint's digest is not that of its tensors")
    }
    try check()
  }

  /// Holds it against the rules of section 7.
  func check() throws(FormatError) {
    for tensor in tensors {
      try tensor.name.checkAsTensor()
      try tensor.shape.checkDimensions(of: "the fingerprint")
      try Self.check(tensor.exact, count: 16)
      if let value = tensor.value { try Self.check(value, count: 16) }
      guard (tensor.value != nil) == tensor.type.isFloat else { throw Self.notFour(tensor.name) }
    }
    guard sketch.count <= Self.maximumSketchCount else {
      throw .manifest("a sketch of \(sketch.count) tensors, over \(Self.maximumSketchCount)")
    }
    let names = Set(tensors.lazy.filter { $0.value != nil }.map(\.name))
    for entry in sketch {
      try Self.check(entry.bytes, count: 128)
      guard names.contains(entry.name) else {
        throw .manifest("the sketch names \(entry.name), but the fingerprint has no values for it")
      }
    }
  }

  private static func check(_ bytes: [UInt8], count: Int) throws(FormatError) {
    guard bytes.count == count else { throw notHexadecimal(count) }
  }

  private static func notHexadecimal(_ count: Int) -> FormatError {
    .manifest("the fingerprint needs \(2 * count) hexadecimal digits")
  }

  private static func notFour(_ name: Name) -> FormatError {
    .manifest("the fingerprint of \(name) is not [dtype, shape, exact, value]")
  }

  private static func parseTensors(
    _ reader: inout JSONReader
  ) throws(FormatError) -> [TensorFingerprint] {
    var tensors: [TensorFingerprint] = []
    var fields = try ObjectFields(&reader, "the fingerprint")
    while let name = try fields.next(&reader) {
      var elements = try parsing { () throws(JSONError) in try reader.beginArray() }
      try expectElement(&reader, &elements)
      guard let type = ElementType(rawValue: try fields.string(&reader)) else {
        throw .manifest("the fingerprint of \(name) has an unknown element type")
      }
      try expectElement(&reader, &elements)
      let shape = try fields.shape(&reader)
      try expectElement(&reader, &elements)
      let exact = try hexadecimal(try fields.string(&reader), count: 16)
      try expectElement(&reader, &elements)
      let value = try parseValue(&reader)
      guard try !nextElement(&reader, &elements) else { throw notFour(name) }
      tensors.append(
        TensorFingerprint(name: name, type: type, shape: shape, exact: exact, value: value))
    }
    return tensors
  }

  private static func parseValue(_ reader: inout JSONReader) throws(FormatError) -> [UInt8]? {
    if try parsing({ () throws(JSONError) in try reader.kind() }) == .null {
      try parsing { () throws(JSONError) in try reader.null() }
      return nil
    }
    return try hexadecimal(
      try parsing { () throws(JSONError) in try reader.string() }, count: 16)
  }

  private static func parseSketch(_ reader: inout JSONReader) throws(FormatError) -> [Sketch] {
    var sketch: [Sketch] = []
    var fields = try ObjectFields(&reader, "the sketch")
    while let name = try fields.next(&reader) {
      sketch.append(
        Sketch(name: name, bytes: try hexadecimal(try fields.string(&reader), count: 128)))
    }
    return sketch
  }

  private static func expectElement(
    _ reader: inout JSONReader, _ elements: inout JSONReader.Elements
  ) throws(FormatError) {
    guard try nextElement(&reader, &elements) else {
      throw .manifest("a fingerprint is [dtype, shape, exact, value]")
    }
  }

  private static func hexadecimal(
    _ text: String, count: Int
  ) throws(FormatError) -> [UInt8] {
    guard let bytes = [UInt8](hexadecimal: text) else { throw notHexadecimal(count) }
    return bytes
  }

  func encode(into writer: inout JSONWriter) {
    writer.object { writer in
      writer.key("tensors")
      writer.object { writer in
        for tensor in tensors {
          writer.key(tensor.name)
          writer.array { writer in
            writer.string(tensor.type.rawValue)
            writer.array { writer in
              for dimension in tensor.shape.dimensions { writer.integer(dimension) }
            }
            writer.string(tensor.exact.hexadecimal)
            if let value = tensor.value { writer.string(value.hexadecimal) } else { writer.null() }
          }
        }
      }
      writer.member("digest", digest.description)
      guard !sketch.isEmpty else { return }
      writer.key("sketch")
      writer.object { writer in
        for entry in sketch { writer.member(entry.name, entry.bytes.hexadecimal) }
      }
    }
  }
}
