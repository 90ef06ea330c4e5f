public import Storage
public import StrictJSON

/// Where an adapter came from, so that it can go back there byte for byte (section 5.3).
public struct SourceRecord: Sendable, Hashable {
  /// `peft`, …
  public var format: String
  /// The verbatim text of the configuration.
  public var config: String?
  /// The digest of the weights file.
  public var digest: Digest?
  /// The verbatim header of the weights file, where it is not the canonical one.
  public var header: String?

  /// Describes a source.
  public init(format: String, config: String?, digest: Digest?, header: String?) {
    self.format = format
    self.config = config
    self.digest = digest
    self.header = header
  }

  init(parsing reader: inout JSONReader) throws(FormatError) {
    var fields = try ObjectFields(&reader, "a source")
    var format: String?
    var config: String?
    var digest: Digest?
    var header: String?
    while let key = try fields.next(&reader) {
      switch key {
      case "format": format = try fields.string(&reader)
      case "config": config = try fields.string(&reader)
      case "sha256": digest = try fields.digest(&reader)
      case "header": header = try fields.string(&reader)
      default: try fields.ignore(key, &reader)
      }
    }
    self.init(
      format: try fields.require(format, "format"), config: config, digest: digest, header: header)
  }

  func encode(into writer: inout JSONWriter) {
    writer.object { writer in
      writer.member("format", format)
      if let config { writer.member("config", config) }
      if let digest { writer.member("sha256", digest.description) }
      if let header { writer.member("header", header) }
    }
  }
}

/// A file that lay beside the source.
public struct FileRecord: Sendable, Hashable {
  /// Its name, a single path component.
  public let path: Name
  /// Its length in bytes.
  public let size: UInt64
  /// Its digest.
  public let digest: Digest
  /// The U8 tensor that carries it; nil where it is only mentioned.
  public let tensor: Name?

  /// Describes a file.
  public init(path: Name, size: UInt64, digest: Digest, tensor: Name?) {
    self.path = path
    self.size = size
    self.digest = digest
    self.tensor = tensor
  }

  init(parsing reader: inout JSONReader) throws(FormatError) {
    var fields = try ObjectFields(&reader, "a file")
    var path: Name?
    var size: UInt64?
    var digest: Digest?
    var tensor: Name?
    while let key = try fields.next(&reader) {
      switch key {
      case "path": path = try fields.name(&reader)
      case "size": size = try fields.integer(&reader)
      case "sha256": digest = try fields.digest(&reader)
      case "tensor": tensor = try fields.name(&reader)
      default: try fields.ignore(key, &reader)
      }
    }
    self.init(
      path: try fields.require(path, "path"), size: try fields.require(size, "size"),
      digest: try fields.require(digest, "sha256"), tensor: tensor)
    try check()
  }

  /// Holds it against the rules that need no tensor of the adapter ([NAM-1], [NAM-4]).
  func check() throws(FormatError) {
    let text = path.text
    let isPlain = text.utf8.allSatisfy {
      $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "\\")
    }
    guard (1...255).contains(text.utf8.count), isPlain, text != ".", text != ".." else {
      throw .manifest("\(text.debugDescription) is not a file name")
    }
    // The reader of the text has no larger integers.
    guard size < 1 << 53 else { throw .json(JSONError(.notInteger, at: nil)) }
    try tensor?.checkAsTensor()
  }

  func encode(into writer: inout JSONWriter) {
    writer.object { writer in
      writer.member("path", path.text)
      writer.key("size")
      writer.integer(size)
      writer.member("sha256", digest.description)
      if let tensor { writer.member("tensor", tensor.text) }
    }
  }
}
