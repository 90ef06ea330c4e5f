internal import Checkpoints
internal import Storage
internal import SystemPackage

/// The files of a base's folder that are none of its shards: those that a merged folder gets as they are, or mended, and
/// those that it does not have.
struct BaseFolder {
  private(set) var copied: [String] = []
  private(set) var omitted: [String] = []

  /// Weights in other formats would contradict the result.
  private static let weightSuffixes = [
    ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx", ".npz",
    ".safetensors.index.json", ".bin.index.json",
  ]

  /// Files that libraries keep beside quantised weights; they would be untrue of unquantised ones.
  private static let schemeFiles = [
    "quantize_config.json", "quant_config.json", "hf_quant_config.json", "quant_log.csv",
  ]

  /// Lists them; an index that is not kept has another in its place.
  ///
  /// - Throws: `StorageError` where a folder cannot be read.
  init(of checkpoint: Checkpoint, keepingIndex: Bool) throws(StorageError) {
    guard let folder = checkpoint.folder else { return }
    let shards = Set(checkpoint.shards.map(\.name))
    let index = checkpoint.indexPath?.lastComponent?.string
    for name in try Platform.list(folder) where !shards.contains(name) {
      let path = folder.appending(name)
      if checkpoint.isPipeline, !name.hasPrefix("."), FileStatus(of: path)?.isFolder == true {
        try add(part: name, at: path, but: shards)
      } else if name != index {
        add(name, Self.isKept(name, at: path, of: checkpoint))
      } else if keepingIndex {
        copied.append(name)
      }
    }
  }

  /// The files of a sub-folder of a pipeline. A decoder, and whatever else no adapter changes, has its weights too.
  private mutating func add(
    part: String, at path: FilePath, but shards: Set<String>
  ) throws(StorageError) {
    let isOther = !Pipeline.parts.contains(part)
    for file in try Platform.list(path) where !shards.contains("\(part)/\(file)") {
      let isFile = FileStatus(of: path.appending(file))?.isRegular == true && !file.hasPrefix(".")
      // Of a part with one index, which is that of its shards.
      let isIndex = file.hasSuffix(".safetensors.index.json")
      add("\(part)/\(file)", isFile && (isOther || isIndex || !Self.isWeights(file)))
    }
  }

  private mutating func add(_ name: String, _ isKept: Bool) {
    if isKept { copied.append(name) } else { omitted.append(name) }
  }

  private static func isKept(_ name: String, at path: FilePath, of checkpoint: Checkpoint) -> Bool {
    // transformers would load the adapter's base, and not what is merged.
    let isAdapter = name == "adapter_config.json" || name.hasPrefix("adapter_model.")
    let isOfScheme = checkpoint.isWrittenDecoded && schemeFiles.contains(name)
    return FileStatus(of: path)?.isRegular == true && !isWeights(name) && !isAdapter && !isOfScheme
      && !name.hasPrefix(".")
  }

  private static func isWeights(_ name: String) -> Bool {
    weightSuffixes.contains { name.hasSuffix($0) }
  }
}
