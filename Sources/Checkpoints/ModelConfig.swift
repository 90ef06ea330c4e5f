package import Storage
internal import StrictJSON
internal import SystemPackage

/// The parts of a base's `config.json` that matter to adapters.
public struct ModelConfig: Sendable, Hashable {
  /// `model_type`.
  public let modelType: String?
  /// The first of `architectures`.
  public let architecture: String?
  /// `tie_word_embeddings`.
  public let tiesWordEmbeddings: Bool?
  /// `_name_or_path`: what the model was loaded as when it was saved.
  package let nameOrPath: String?
  /// `dtype`, or `torch_dtype` as it was called: the type that the weights have, or had before they were quantised.
  package let dtype: ElementType?
  /// The part that describes the language model, in a model of several parts.
  package let languageModel: Part?

  /// A configuration inside of another.
  package struct Part: Sendable, Hashable {
    /// `model_type`.
    package let modelType: String?
    /// `tie_word_embeddings`.
    package let tiesWordEmbeddings: Bool?
  }

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
    let all = Fields(members)
    modelType = all.text("model_type")
    nameOrPath = all.text("_name_or_path")
    tiesWordEmbeddings = all.flag("tie_word_embeddings")
    let levels = members.compactMap { member -> Fields? in
      if case .object(let inner) = member.value { Fields(inner) } else { nil }
    }
    dtype =
      ([all] + levels).lazy.compactMap {
        ElementType(torchName: $0.text("dtype") ?? $0.text("torch_dtype") ?? "")
      }.first
    if case .array(let values) = all["architectures"], case .string(let text) = values.first {
      architecture = text
    } else {
      architecture = nil
    }
    let parts: [Name] = ["text_config", "decoder", "llm_config", "language_config"]
    if case .object(let members)? = parts.compactMap({ all[$0] }).first {
      let inner = Fields(members)
      languageModel = Part(
        modelType: inner.text("model_type"), tiesWordEmbeddings: inner.flag("tie_word_embeddings"))
    } else {
      languageModel = nil
    }
  }
}

private struct Fields {
  private let members: [JSONValue.Member]

  init(_ members: [JSONValue.Member]) { self.members = members }

  subscript(_ key: Name) -> JSONValue? { members.first { $0.key == key }?.value }

  func text(_ key: Name) -> String? {
    if case .string(let text)? = self[key] { text } else { nil }
  }

  func flag(_ key: Name) -> Bool? {
    if case .boolean(let flag)? = self[key] { flag } else { nil }
  }
}

extension ElementType {
  private static let torchNames: [(name: String, type: ElementType)] = [
    ("bfloat16", .bf16), ("float16", .f16), ("float32", .f32), ("float64", .f64),
  ]

  /// The type that transformers calls so in `config.json`; nil for another word.
  package init?(torchName: String) {
    guard let type = Self.torchNames.first(where: { $0.name == torchName })?.type else {
      return nil
    }
    self = type
  }

  /// The name that transformers gives it in `config.json`; nil if it has none.
  package var torchName: String? { Self.torchNames.first { $0.type == self }?.name }
}
