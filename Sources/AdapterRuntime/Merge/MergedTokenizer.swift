internal import AdapterFormat
internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// The tokenizer of a merged folder: the adapter's, where it was trained with one that is not the base's. Its new tokens
/// would never be produced otherwise, nor its form of a conversation.
struct MergedTokenizer {
  /// Files that take the place of the base's, or come beside them.
  private(set) var files: [(name: String, contents: [UInt8])] = []
  /// What there is to say of them.
  private(set) var note: String?

  /// What transformers reads a tokenizer from.
  private static let names: Set<Name> = [
    "added_tokens.json", "chat_template.jinja", "chat_template.json", "merges.txt",
    "special_tokens_map.json", "spiece.model", "tokenizer.json", "tokenizer.model",
    "tokenizer_config.json", "vocab.json", "vocab.txt",
  ]

  /// - Parameters:
  ///   - view: what is merged.
  ///   - folder: the base's; nil for one of a single file, beside which nothing is written.
  ///   - isResized: whether the vocabulary gets more rows.
  /// - Throws: `FormatError` where an adapter cannot be read, `StorageError` where a file of the base cannot.
  init(_ view: AdaptedCheckpoint, _ folder: FilePath?, isResized: Bool) throws {
    guard let folder else { return }
    var brought: [(adapter: Adapter, files: [FileRecord])] = []
    for applied in view.adapters where applied.weight != 0 {
      let adapter = applied.bound.adapter
      let files = try adapter.files.filter { file in
        guard file.tensor != nil, Self.names.contains(file.path) else { return false }
        let own = try File.ifThere(folder.appending(file.path.text))
        return try own?.digest() != file.digest
      }
      if !files.isEmpty { brought.append((adapter, files)) }
    }
    guard let first = brought.first else {
      if isResized {
        note = "the vocabulary grew, and the tokenizer is the base's: no adapter brings one"
      }
      return
    }
    func digests(_ files: [FileRecord]) -> Set<Digest> { Set(files.map(\.digest)) }
    guard brought.allSatisfy({ digests($0.files) == digests(first.files) }) else {
      note = "the adapters bring different tokenizers: the base's is kept"
      return
    }
    for file in first.files {
      guard let tensor = file.tensor else { continue }
      files.append((file.path.text, try first.adapter.contents(of: tensor)))
    }
    note = "the tokenizer is the adapter's: " + files.map(\.name).joined(separator: ", ")
  }
}
