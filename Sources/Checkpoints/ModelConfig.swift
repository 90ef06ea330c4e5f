internal import Storage
internal import StrictJSON
internal import SystemPackage

/// What a base's `config.json` says that matters to adapters.
public struct ModelConfig: Sendable, Hashable {
  /// `model_type`.
  public let modelType: String?
  /// The first of `architectures`.
  public let architecture: String?
  /// `tie_word_embeddings`.
  public let tiesWordEmbeddings: Bool?

  /// Reads a configuration; nil where there is none, or none in JSON's own grammar (Python also
  /// writes `NaN`). It only ever settles what the weights leave open.
  ///
  /// - Throws: `StorageError` where one is there and its bytes cannot be read.
  init?(_ path: FilePath) throws(StorageError) {
    guard let file = try File.ifThere(path), let bytes = try file.contents(limit: 1 << 20) else {
      return nil
    }
    self.init(parsing: bytes)
  }

  /// Reads the text of a configuration.
  package init?(parsing bytes: [UInt8]) {
    guard let value = try? JSONValue(document: bytes, maximumDepth: 32),
      case .object(let members) = value
    else { return nil }
    func field(_ key: Name) -> JSONValue? { members.first { $0.key == key }?.value }
    if case .string(let text) = field("model_type") { modelType = text } else { modelType = nil }
    if case .array(let values) = field("architectures"), case .string(let text) = values.first {
      architecture = text
    } else {
      architecture = nil
    }
    if case .boolean(let flag) = field("tie_word_embeddings") {
      tiesWordEmbeddings = flag
    } else {
      tiesWordEmbeddings = nil
    }
  }
}
