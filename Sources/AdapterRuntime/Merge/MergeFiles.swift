internal import Operations
internal import Checkpoints
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// The files of a merged folder that hold no weights: copied from the base, or mended where the change of the
/// weights makes them untrue.
struct MergeFiles {
  private let view: AdaptedCheckpoint
  private let plans: [ShardPlan]
  private let folder: FilePath?
  /// Configuration, tokenizer and the like, which are copied.
  private(set) var copied: [String]
  /// Files of the base that the result does not have.
  let omitted: [String]
  /// Files that are written with other contents.
  private(set) var edited: [(name: String, contents: [UInt8])] = []
  private var tokenizerNote: String?

  /// Weights in other formats would contradict the result.
  private static let weightSuffixes = [
    ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx", ".npz",
    ".safetensors.index.json", ".bin.index.json",
  ]
  private static let maximumConfigByteCount = 64 << 20

  /// Looks at the base's folder.
  ///
  /// - Parameters:
  ///   - view: what is merged.
  ///   - plans: the files with weights.
  ///   - isResharded: whether these are others than the base's.
  /// - Throws: `AdapterError` where the folder or a file that is to be mended cannot be read.
  init(_ view: AdaptedCheckpoint, _ plans: [ShardPlan], isResharded: Bool) throws {
    self.view = view
    self.plans = plans
    folder = view.checkpoint.folder
    (copied, omitted) = try Self.others(in: view.checkpoint, keepingIndex: !isResharded)
    if let folder {
      for name in copied {
        guard let contents = try mended(name, folder.appending(name)) else { continue }
        edited.append((name, contents))
      }
    }
    let tokenizer = try MergedTokenizer(view, folder, isResized: !resizedVocabularies.isEmpty)
    edited += tokenizer.files
    tokenizerNote = tokenizer.note
    if isResharded, plans.count > 1 { edited.append((ShardIndex.fileName, try newIndex())) }
    let names = Set(edited.map(\.name))
    copied.removeAll(where: names.contains)
  }

  /// The files of the base's folder that are none of its shards; an index that is not kept has another in its place.
  private static func others(
    in checkpoint: Checkpoint, keepingIndex: Bool
  ) throws -> (copied: [String], omitted: [String]) {
    guard let folder = checkpoint.folder else { return ([], []) }
    let index = checkpoint.indexPath?.lastComponent?.string
    let shards = Set(checkpoint.shards.map(\.name))
    var (copied, omitted): ([String], [String]) = ([], [])
    let names = try Platform.list(folder)
    for name in names where !shards.contains(name) && (keepingIndex || name != index) {
      let isWeights = name != index && weightSuffixes.contains { name.hasSuffix($0) }
      let isFile = FileStatus(of: folder.appending(name))?.isRegular == true
      // transformers would load the adapter's base, and not what is merged.
      let isAdapter = name == "adapter_config.json" || name.hasPrefix("adapter_model.")
      if isFile, !isWeights, !isAdapter, !name.hasPrefix(".") {
        copied.append(name)
      } else {
        omitted.append(name)
      }
    }
    return (copied, omitted)
  }

  /// Writes them into a folder.
  func write(into target: OutputFolder) throws {
    for file in edited {
      let output = try target.file(
        file.name, alsoFrom: folder.map { [$0.appending(file.name)] } ?? [])
      try output.write(file.contents)
      try output.commit()
    }
    for name in copied {
      guard let source = folder?.appending(name) else { continue }
      let file = try File(source)
      let output = try target.file(name, alsoFrom: [source])
      try output.copy(from: file, range: 0..<file.count)
      try file.checkUnchanged()
      try output.commit()
    }
  }

  // MARK: - What is mended

  /// Whether parameters that shared a tensor have one each now.
  private var isUntied: Bool {
    view.adapters.contains { $0.weight != 0 && $0.bound.isUntied }
  }

  private var resizedVocabularies: [AdaptedTensor] {
    let family = view.checkpoint.family
    return view.tensors.filter { tensor in
      tensor.kind == .resized
        && family?.isVocabulary(tensor.info.name)
          ?? AnyFamily.isVocabulary(tensor.info.name)
    }
  }

  /// A file that the change of the weights makes untrue, mended; nil for one that stays.
  private func mended(_ name: String, _ path: FilePath) throws -> [UInt8]? {
    if name == view.checkpoint.indexPath?.lastComponent?.string {
      guard plans.contains(where: { $0.header != nil }) else { return nil }
      return try ShardIndex.encode(indexed, instead: path)
    }
    return name == "config.json" ? try mendedConfig(path) : nil
  }

  private var indexed: [(name: String, tensors: [TensorInfo])] {
    plans.map { ($0.name, $0.tensors) }
  }

  /// The index of other shards than the base's, with whatever else the base's says.
  private func newIndex() throws -> [UInt8] {
    if let path = view.checkpoint.indexPath {
      return try ShardIndex.encode(indexed, instead: path)
    }
    let empty = Array(#"{"metadata":{"total_size":0},"weight_map":{}}"#.utf8)
    return try ShardIndex.encode(indexed, instead: empty, view.checkpoint.path)
  }

  private func mendedConfig(_ path: FilePath) throws -> [UInt8]? {
    let sizes = resizedVocabularies.compactMap { tensor in
      view.checkpoint.tensor(tensor.info.name).map {
        (before: $0.info.shape.dimensions[0], after: tensor.info.shape.dimensions[0])
      }
    }
    guard isUntied || !sizes.isEmpty || view.resultType != nil else { return nil }
    let bytes = try File(path).contents(limit: Self.maximumConfigByteCount)
    // One of that size is none that could be read before either.
    guard let bytes else { return nil }
    var config = ConfigText(String(decoding: bytes, as: UTF8.self))
    if isUntied { config.set("tie_word_embeddings", from: "true", to: "false") }
    for size in sizes {
      config.set("vocab_size", from: "\(size.before)", to: "\(size.after)")
    }
    if let name = view.resultType?.torchName {
      let names = Set(ElementType.allCases.compactMap(\.torchName).map { "\"\($0)\"" })
      config.replace("torch_dtype", from: names, with: "\"\(name)\"")
      config.replace("dtype", from: names, with: "\"\(name)\"")
    }
    return Array(config.text.utf8) == bytes ? nil : Array(config.text.utf8)
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

  /// What one should know of the files.
  var notes: [String] {
    var notes: [String] = []
    if view.checkpoint.hasUnreadableConfig { notes.append("config.json cannot be read") }
    if let head = view.tensors.first(where: {
      $0.kind == .created && $0.origin == nil && $0.info.name.hasSuffix(".weight")
    }) {
      notes.append(
        "config.json is the base's: a new head may need num_labels "
          + "(\(head.info.name) has \(head.info.shape.dimensions.first ?? 0) rows), id2label and another class"
      )
    }
    notes += shortHeads
    if let tokenizerNote { notes.append(tokenizerNote) }
    let needsConfig = isUntied || !resizedVocabularies.isEmpty
    if needsConfig, folder == nil {
      notes.append(
        "the model's config.json must say so too (tie_word_embeddings, vocab_size); "
          + "a base given as a folder gets it changed")
    }
    return notes
  }
}

extension ElementType {
  /// What transformers calls it in `config.json`.
  fileprivate var torchName: String? {
    switch self {
    case .bf16: "bfloat16"
    case .f16: "float16"
    case .f32: "float32"
    case .f64: "float64"
    default: nil
    }
  }
}
