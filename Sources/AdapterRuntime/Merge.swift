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
    let total = view.checkpoint.shards.reduce(0) { $0 + $1.file.file.count }
    let report: @Sendable (Int) -> Void = { progress($0, total) }
    var copied: [String] = []
    var omitted: [String] = []
    if let folder = view.checkpoint.folder {
      (copied, omitted) = try otherFiles(in: folder)
      let names = view.checkpoint.shards.map(\.name) + copied
      let output = try storing { () throws(StorageError) in
        try OutputFolder(target, names: names, replacing: replacing)
      }
      for shard in view.checkpoint.shards.indices {
        let name = view.checkpoint.shards[shard].name
        try write(shard, to: output.temporary.appending(name), replacing: false, report)
      }
      for name in copied {
        try copy(folder.appending(name), to: output.temporary.appending(name))
      }
      try storing { () throws(StorageError) in try output.commit() }
    } else {
      try write(0, to: target, replacing: replacing, report)
    }
    return receipt(target, copied: copied, omitted: omitted, byteCount: total)
  }

  private func write(
    _ shard: Int, to path: FilePath, replacing: Bool, _ report: @escaping @Sendable (Int) -> Void
  ) throws(RuntimeError) {
    let output = try storing { () throws(StorageError) in
      let output = try OutputFile(path, replacing: replacing)
      try output.resize(to: view.checkpoint.shards[shard].file.file.count)
      return output
    }
    try ShardWriter(view, shard: shard, output: output, report: report).run()
    try storing { () throws(StorageError) in try output.commit() }
  }

  private func receipt(
    _ target: FilePath, copied: [String], omitted: [String], byteCount: UInt64
  ) -> MergeReceipt {
    let changed = view.changedNames
    let adapter = view.adapter.adapter
    return MergeReceipt(
      output: target, adapter: (adapter.name, adapter.file?.file.digest),
      rule: view.adapter.rule, verdict: view.verdict, changed: changed,
      changedParameters: changed.reduce(0) {
        $0 + (view.checkpoint.tensor($1)?.info.shape.count ?? 0)
      },
      untouchedCount: view.checkpoint.names.count - changed.count, byteCount: byteCount,
      shards: view.checkpoint.shards.map(\.name), copiedFiles: copied, omittedFiles: omitted,
      notes: view.adapter.notes
        + (view.checkpoint.hasUnreadableConfig ? ["config.json cannot be read"] : []))
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

  private func copy(_ path: FilePath, to target: FilePath) throws(RuntimeError) {
    try storing { () throws(StorageError) in
      let source = try File(path)
      let output = try OutputFile(target, replacing: false)
      try output.copy(from: source, range: 0..<source.count)
      try output.commit()
    }
  }
}
