internal import AdapterFormat
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// The tokenizer of a merged folder: the adapter's, where it was trained with one that is not the base's. Its new tokens
/// would never be produced otherwise, nor its form of a conversation.
struct MergedTokenizer {
  /// Files that take the place of the base's, or come beside them.
  private(set) var files: [(name: String, contents: [UInt8])] = []
  /// Files of the base that belong to another vocabulary.
  private(set) var omitted: [String] = []
  /// Files of the base that are the chosen tokenizer's as well.
  private var kept: Set<String> = []
  /// The notes about the files for the user.
  private(set) var notes: [String] = []

  private static let maximumByteCount = 64 << 20

  /// - Parameters:
  ///   - view: what is merged.
  ///   - folder: the base's; nil for one of a single file, beside which nothing is written.
  ///   - rows: the rows that the vocabulary gets, where it gets others.
  ///   - chosen: the folder whose tokenizer the user wants.
  /// - Throws: `AdapterError` where nothing says which tokens new rows are for, or there is no tokenizer in the folder that
  ///   is chosen; `FormatError` where an adapter cannot be read, `StorageError` where a file cannot.
  init(
    _ view: AdaptedCheckpoint, _ folder: FilePath?, rows: Int?, _ chosen: FilePath?
  ) throws {
    guard let folder else { return }
    if let chosen {
      try take(from: chosen, insteadOf: folder)
    } else {
      try take(from: try Self.brought(by: view, folder), isResized: rows != nil)
    }
    if files.contains(where: { TokenizerFiles.vocabularies.contains($0.name) }) {
      let own = Set(files.map(\.name)).union(kept)
      omitted = TokenizerFiles.vocabularies.subtracting(own).sorted()
    }
    try checkSize(rows ?? view.vocabularySize, folder)
  }

  private mutating func take(from chosen: FilePath, insteadOf folder: FilePath) throws {
    var count = 0
    for name in try Platform.list(chosen) where TokenizerFiles.names.contains(name) {
      let file = try File(chosen.appending(name))
      guard let contents = try file.contents(limit: Self.maximumByteCount) else {
        throw AdapterError(.misuse, "\(name) of \(chosen) is too large for a tokenizer")
      }
      count += 1
      let own = try File.ifThere(folder.appending(name))
      if try own?.contents(limit: Self.maximumByteCount) != contents {
        files.append((name, contents))
      } else {
        kept.insert(name)
      }
    }
    guard count > 0 else { throw AdapterError(.misuse, "\(chosen) holds no tokenizer") }
    notes.append("the tokenizer is that of \(chosen)")
  }

  /// The files that adapters bring and that are not the base's.
  private static func brought(
    by view: AdaptedCheckpoint, _ folder: FilePath
  ) throws -> [(adapter: Adapter, files: [FileRecord])] {
    try view.adapters.filter { $0.weight != 0 }.compactMap { applied in
      let adapter = applied.bound.adapter
      let files = try adapter.files.filter { file in
        guard file.tensor != nil, TokenizerFiles.names.contains(file.path.text) else {
          return false
        }
        let own = try File.ifThere(folder.appending(file.path.text))
        return try own?.digest() != file.digest
      }
      return files.isEmpty ? nil : (adapter, files)
    }
  }

  private mutating func take(
    from brought: [(adapter: Adapter, files: [FileRecord])], isResized: Bool
  ) throws {
    guard let first = brought.first else {
      if isResized {
        notes.append("the vocabulary grew, and the tokenizer is the base's: no adapter brings one")
      }
      return
    }
    func digests(_ files: [FileRecord]) -> Set<Digest> { Set(files.map(\.digest)) }
    guard brought.allSatisfy({ digests($0.files) == digests(first.files) }) else {
      guard !isResized else { throw AdapterError.severalTokenizers }
      notes.append("the adapters bring different tokenizers: the base's is kept")
      return
    }
    kept = Set(first.adapter.files.map(\.path.text))
    for file in first.files {
      guard let tensor = file.tensor else { continue }
      files.append((file.path.text, try first.adapter.contents(of: tensor)))
    }
    notes.append("the tokenizer is the adapter's: " + files.map(\.name).joined(separator: ", "))
  }

  /// Tokens without rows would end a model with an error.
  private mutating func checkSize(_ rows: Int?, _ folder: FilePath) throws {
    guard let rows, !files.isEmpty || !notes.isEmpty else { return }
    let name = "tokenizer.json"
    let contents =
      try files.first { $0.name == name }?.contents
      ?? File.ifThere(folder.appending(name))?.contents(limit: Self.maximumByteCount)
    guard let count = contents.flatMap(TokenCount.of), count > rows else { return }
    notes.append("\(name) has \(count) tokens, and the model \(rows) rows for them")
  }
}

extension AdaptedCheckpoint {
  /// Rows of the input embeddings; nil where there are none, or several.
  fileprivate var vocabularySize: Int? {
    let found = names.filter { name in
      AnyFamily.isVocabulary(name) && !AnyFamily.isOutputLayer(name)
    }
    guard let name = found.first, found.count == 1 else { return nil }
    return (adapted(name)?.info ?? checkpoint.tensor(name)?.info)?.shape.dimensions.first
  }
}
