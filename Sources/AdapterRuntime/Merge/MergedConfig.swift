internal import AdapterInsight
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// The `config.json` of a merged folder: the base's, or the one that the user gives, with what the change of the weights
/// makes untrue set right.
struct MergedConfig {
  private let view: AdaptedCheckpoint
  private let given: FilePath?
  private let head: MergedHead?
  /// Vocabularies that get more rows, or fewer.
  let resizedVocabularies: [AdaptedTensor]

  static let fileName = "config.json"
  /// The keys that would tell a library to look for codes that are not there any more.
  private static let quantisationKeys = [
    "quantization_config", "quantization", "compression_config", "_pre_quantization_dtype",
  ]
  private static let maximumByteCount = 64 << 20

  init(_ view: AdaptedCheckpoint, _ choices: FolderChoices) {
    self.view = view
    given = choices.config
    head = choices.config == nil ? MergedHead(view, choices.task) : nil
    let family = view.checkpoint.family
    resizedVocabularies = view.tensors.filter { tensor in
      tensor.kind == .resized
        && family?.isVocabulary(tensor.info.name)
          ?? AnyFamily.isVocabulary(tensor.info.name)
    }
  }

  /// True if parameters that shared a tensor now have one each.
  private var isUntied: Bool {
    view.adapters.contains { $0.weight != 0 && $0.bound.isUntied }
  }

  /// The contents that take the place of a file's; nil where it stays.
  ///
  /// - Throws: `StorageError` where it cannot be read.
  func mended(_ path: FilePath) throws -> [UInt8]? {
    let changes =
      isUntied || !resizedVocabularies.isEmpty || view.resultType != nil
      || view.checkpoint.isWrittenDecoded
    guard changes || given != nil || head?.architecture != nil else { return nil }
    // One that is too large is none that could be read before either.
    guard let own = try File(path).contents(limit: Self.maximumByteCount) else { return nil }
    let contents = try contents(given ?? path)
    return contents == own ? nil : contents
  }

  /// A configuration for the result, of one for the base.
  ///
  /// - Throws: `StorageError` where it cannot be read, `AdapterError` where it is too large.
  func contents(_ path: FilePath) throws -> [UInt8] {
    guard let bytes = try File(path).contents(limit: Self.maximumByteCount) else {
      throw AdapterError(.misuse, "\(path) is too large for a configuration")
    }
    var config = ConfigText(String(decoding: bytes, as: UTF8.self))
    if isUntied {
      config.set("tie_word_embeddings", from: "true", to: "false")
      config.addWhole("tie_word_embeddings", "false")
    }
    for tensor in resizedVocabularies {
      guard let before = view.checkpoint.tensor(tensor.info.name)?.info.shape.dimensions[0] else {
        continue
      }
      config.set("vocab_size", from: "\(before)", to: "\(tensor.info.shape.dimensions[0])")
    }
    if let name = view.resultType?.torchName {
      let names = Set(ElementType.allCases.compactMap(\.torchName).map { "\"\($0)\"" })
      config.replace("torch_dtype", from: names, with: "\"\(name)\"")
      config.replace("dtype", from: names, with: "\"\(name)\"")
    }
    if view.checkpoint.isWrittenDecoded {
      for key in Self.quantisationKeys { config.removeEverywhere(key) }
    }
    head?.write(to: &config)
    return Array(config.text.utf8)
  }

  /// The notes about the configuration for the user.
  var notes: [String] {
    let hasFolder = view.checkpoint.folder != nil
    var notes: [String] = []
    if view.checkpoint.hasUnreadableConfig { notes.append("config.json cannot be read") }
    if let head, hasFolder { notes.append(head.note) }
    notes += shortHeads
    if isUntied || !resizedVocabularies.isEmpty || head != nil, !hasFolder {
      notes.append(
        "the model's config.json must say so too (tie_word_embeddings, vocab_size, architectures, id2label); "
          + "a base given as a folder gets it changed")
    }
    return notes
  }

  /// Vocabularies that keep the rows of the base where others get more: transformers does not load such a model.
  private var shortHeads: [String] {
    guard let resized = resizedVocabularies.first,
      let before = view.checkpoint.tensor(resized.info.name)?.info.shape.dimensions.first,
      let after = resized.info.shape.dimensions.first
    else { return [] }
    return view.checkpoint.tensors.filter { stored in
      view.adapted(stored.info.name) == nil && AnyFamily.isVocabulary(stored.info.name)
        && stored.info.shape.dimensions.count == 2 && stored.info.shape.dimensions[0] == before
    }.map {
      "\($0.info.name) keeps \(before) rows where \(resized.info.name) has \(after): transformers will not load the result"
    }
  }
}
