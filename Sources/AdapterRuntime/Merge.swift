internal import AdapterFormat
internal import Adapters
internal import Checkpoints
internal import Storage
internal import StrictJSON
public import SystemPackage

/// Writes an adapted checkpoint to disk: the base's files, with the bytes of the changed tensors
/// replaced. Headers, order, metadata and untouched tensors stay as they are, byte for byte.
public struct Merge: Sendable {
  private let view: AdaptedCheckpoint

  /// Prepares to write a view.
  public init(_ view: AdaptedCheckpoint) {
    self.view = view
  }

  /// Writes a file for a base that is a file, a folder for one that is a folder.
  ///
  /// - Parameters:
  ///   - target: where the result will be; it appears whole or not at all.
  ///   - replacing: whether what is there may be replaced.
  ///   - progress: takes the bytes written since the last call and the total; called from any thread.
  /// - Throws: `RuntimeError`; then nothing is left behind.
  /// - Returns: what was done.
  public func write(
    to target: FilePath, replacing: Bool,
    progress: @escaping @Sendable (_ written: Int, _ total: UInt64) -> Void = { _, _ in }
  ) throws(RuntimeError) -> MergeReceipt {
    try storing { () throws(StorageError) in
      try target.checkDistinct(from: view.checkpoint.inputs)
    }
    let proven = try proveResults()
    let plans = view.checkpoint.shards.indices.map { ShardPlan(view, shard: $0) }
    let total = plans.reduce(0) { $0 + $1.byteCount }
    let report: @Sendable (Int) -> Void = { progress($0, total) }
    var copied: [String] = []
    var omitted: [String] = []
    var changedFiles: [String] = []
    if let folder = view.checkpoint.folder {
      (copied, omitted) = try otherFiles(in: folder)
      let names = view.checkpoint.shards.map(\.name) + copied
      let output = try storing { () throws(StorageError) in
        try OutputFolder(target, names: names, replacing: replacing)
      }
      for (shard, plan) in zip(view.checkpoint.shards, plans) {
        let name = shard.name
        try write(plan, to: output.temporary.appending(name), replacing: false, report)
      }
      for name in copied {
        let (source, target) = (folder.appending(name), output.temporary.appending(name))
        if let edited = try edited(name, source, plans) {
          try write(edited, to: target)
          changedFiles.append(name)
        } else {
          try copy(source, to: target)
        }
      }
      try storing { () throws(StorageError) in try output.commit() }
    } else {
      try write(plans[0], to: target, replacing: replacing, report)
    }
    return receipt(
      target, copied: copied.filter { !changedFiles.contains($0) }, edited: changedFiles,
      omitted: omitted, proven: proven, byteCount: total)
  }

  private func write(
    _ plan: ShardPlan, to path: FilePath, replacing: Bool,
    _ report: @escaping @Sendable (Int) -> Void
  ) throws(RuntimeError) {
    let output = try storing { () throws(StorageError) in
      let output = try OutputFile(path, replacing: replacing)
      try output.resize(to: plan.byteCount)
      return output
    }
    try ShardWriter(view, plan, output: output, report: report).run()
    try storing { () throws(StorageError) in try output.commit() }
  }

  private func receipt(
    _ target: FilePath, copied: [String], edited: [String], omitted: [String], proven: [Name],
    byteCount: UInt64
  ) -> MergeReceipt {
    MergeReceipt(
      output: target, applied: view.receipt, proven: proven, byteCount: byteCount,
      shards: view.checkpoint.shards.map(\.name), copiedFiles: copied, editedFiles: edited,
      omittedFiles: omitted, notes: notes)
  }

  private var notes: [String] {
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
    let needsConfig = isUntied || !resizedVocabularies.isEmpty
    if needsConfig, view.checkpoint.folder == nil {
      notes.append(
        "the model's config.json must say so too (tie_word_embeddings, vocab_size); "
          + "a base given as a folder gets it changed")
    }
    return notes
  }

  /// Tensors whose bytes after the change the adapter has recorded: on its own base they must come
  /// out so, or nothing is written.
  private func proveResults() throws(RuntimeError) -> [Name] {
    var proven: [Name] = []
    for tensor in view.tensors {
      guard let expected = tensor.recordedResult,
        let contents = try view.contents(of: tensor.info.name)
      else { continue }
      if Digest(of: contents) == expected {
        proven.append(tensor.info.name)
      } else if tensor.owners.allSatisfy({ view.adapters[$0].verdict == .exact }) {
        throw .otherResult(tensor.info.name)
      }
    }
    return proven
  }
}

// MARK: - The other files of a folder

extension Merge {
  /// Weights in other formats would contradict the result.
  private static let weightSuffixes = [
    ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx", ".npz",
    ".safetensors.index.json", ".bin.index.json",
  ]

  /// Configuration, tokenizer and the like, which are copied, and what is not.
  private func otherFiles(
    in folder: FilePath
  ) throws(RuntimeError) -> (copied: [String], omitted: [String]) {
    var copied: [String] = []
    var omitted: [String] = []
    let shards = Set(view.checkpoint.shards.map(\.name))
    let names = try storing { () throws(StorageError) in try Platform.list(folder) }
    for name in names where !shards.contains(name) {
      let path = folder.appending(name)
      let isIndex = path.lastComponent == view.checkpoint.indexPath?.lastComponent
      let isWeights = Self.weightSuffixes.contains { name.hasSuffix($0) }
      let isFile = FileStatus(of: path)?.isRegular == true
      if isFile, isIndex || !isWeights, !name.hasPrefix(".") {
        copied.append(name)
      } else {
        omitted.append(name)
      }
    }
    return (copied, omitted)
  }

  /// Whether parameters that shared a tensor have one each now.
  private var isUntied: Bool {
    view.adapters.contains { $0.weight != 0 && $0.bound.isUntied }
  }

  private static let maximumConfigByteCount = 64 << 20

  private var resizedVocabularies: [AdaptedTensor] {
    view.tensors.filter { $0.kind == .resized && VocabularyNames.isOne($0.info.name) }
  }

  /// A file of the base that the change of the weights makes untrue, mended; nil for one that stays.
  private func edited(
    _ name: String, _ path: FilePath, _ plans: [ShardPlan]
  ) throws(RuntimeError) -> [UInt8]? {
    if path.lastComponent == view.checkpoint.indexPath?.lastComponent {
      guard plans.contains(where: { $0.header != nil }) else { return nil }
      let shards = zip(view.checkpoint.shards, plans).map { shard, plan in
        (shard.name, plan.tensors.map(\.info))
      }
      return try checking { () throws(CheckpointError) in
        try ShardIndex.encode(shards, instead: path)
      }
    }
    guard name == "config.json" else { return nil }
    let sizes = resizedVocabularies.compactMap { tensor in
      view.checkpoint.tensor(tensor.info.name).map {
        (before: $0.info.shape.dimensions[0], after: tensor.info.shape.dimensions[0])
      }
    }
    guard isUntied || !sizes.isEmpty else { return nil }
    let bytes = try storing { () throws(StorageError) in
      let file = try File(path)
      return try file.contents(limit: Self.maximumConfigByteCount)
    }
    // One of that size is none that could be read before either.
    guard let bytes else { return nil }
    var config = ConfigText(String(decoding: bytes, as: UTF8.self))
    if isUntied { config.set("tie_word_embeddings", from: "true", to: "false") }
    for size in sizes {
      config.set("vocab_size", from: "\(size.before)", to: "\(size.after)")
    }
    return Array(config.text.utf8)
  }

  private func write(_ bytes: [UInt8], to target: FilePath) throws(RuntimeError) {
    try storing { () throws(StorageError) in
      let output = try OutputFile(target, replacing: false)
      try output.write(bytes)
      try output.commit()
    }
  }

  private func copy(_ path: FilePath, to target: FilePath) throws(RuntimeError) {
    try storing { () throws(StorageError) in
      let source = try File(path)
      let output = try OutputFile(target, replacing: false)
      try output.copy(from: source, range: 0..<source.count)
      try output.commit()
    }
  }
}
