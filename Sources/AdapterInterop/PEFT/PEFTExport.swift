package import AdapterFormat
public import Operations
package import Checkpoints
internal import Storage
internal import StrictJSON
public import SystemPackage

/// Writes an adapter back as the folder that PEFT loads.
public enum PEFTExport {
  /// Writes `adapter_config.json`, `adapter_model.safetensors` and the files carried with them: the same
  /// bytes as those the adapter was converted from.
  ///
  /// - Throws: `InteropError.notExpressible` where it did not come from PEFT, or is not complete.
  public static func write(
    _ adapter: Adapter, to target: FilePath, replacing: Bool
  ) throws(InteropError) {
    let (source, config, header) = try parts(of: adapter)
    let files = adapter.files.filter { $0.tensor != nil }
    let names = [PEFTFolder.configName, PEFTFolder.weightsName] + files.map(\.path.text)
    let folder = try storing { () throws(StorageError) in
      try OutputFolder(target, names: names, replacing: replacing)
    }
    try writeFile(PEFTFolder.configName, in: folder) { file throws(InteropError) in
      try storing { () throws(StorageError) in try file.write(Array(config.utf8)) }
    }
    try writeFile(PEFTFolder.weightsName, in: folder) { file throws(InteropError) in
      try writeWeights(adapter, header, to: file)
    }
    for file in files {
      guard let tensor = file.tensor else { continue }
      let contents = try rethrowing(as: InteropError.format) { () throws(FormatError) in
        try adapter.contents(of: tensor)
      }
      try writeFile(file.path.text, in: folder) { output throws(InteropError) in
        try storing { () throws(StorageError) in try output.write(contents) }
      }
    }
    try checkDigest(folder.temporary.appending(PEFTFolder.weightsName), source)
    try storing { () throws(StorageError) in try folder.commit() }
  }

  /// Where an adapter came from, the text of its configuration, and the header of its weights.
  ///
  /// - Throws: `InteropError.notExpressible` where it did not come from PEFT, or has changed since.
  package static func parts(
    of adapter: Adapter
  ) throws(InteropError) -> (source: SourceRecord, config: String, header: SafetensorsHeader) {
    guard let source = adapter.source, source.format == "peft", let config = source.config else {
      throw .notExpressible("adapter \(adapter.name) was not made from a PEFT folder")
    }
    try checkMeaning(adapter, config)
    return (source, config, try header(of: adapter, source))
  }

  /// The recorded configuration must still say what the operations do: they are what counts here,
  /// the configuration is what counts there.
  private static func checkMeaning(
    _ adapter: Adapter, _ text: String
  ) throws(InteropError) {
    let config = try PEFTConfig(
      try PEFTFolder.parseConfig(Array(text.utf8), "the recorded adapter_config.json"))
    // What the user said of a prefix is in the operation; the configuration does not know it.
    let orders: [PrefixOrder] =
      config.method == .prefixTuning ? [.interleaved, .split] : [.interleaved]
    for order in orders {
      let choices = PEFTImport.Choices(prefixOrder: order)
      guard let meant = try? PEFTImport.meaning(config, adapter.weights, choices).operations else {
        continue
      }
      // Their order follows that of the tensors, which is another in the file.
      guard meant.count == adapter.operations.count,
        Set(meant.map(\.effect)) == Set(adapter.operations.map(\.effect))
      else { continue }
      return
    }
    throw .notExpressible(
      "the operations of adapter \(adapter.name) are not those of its recorded configuration")
  }

  private static func writeFile(
    _ name: String, in folder: OutputFolder,
    _ body: (OutputFile) throws(InteropError) -> Void
  ) throws(InteropError) {
    let file = try storing { () throws(StorageError) in
      try OutputFile(folder.temporary.appending(name), replacing: false)
    }
    try body(file)
    try storing { () throws(StorageError) in try file.commit() }
  }

  /// The recorded header, or the canonical one.
  private static func header(
    of adapter: Adapter, _ source: SourceRecord
  ) throws(InteropError) -> SafetensorsHeader {
    guard let text = source.header else {
      return SafetensorsHeader(canonical: adapter.weights, metadata: [.init("format", "pt")])
    }
    let byteCount = adapter.weights.reduce(0 as UInt64) { $0 + UInt64($1.byteCount) }
    return try rethrowing(as: InteropError.checkpoint) { () throws(CheckpointError) in
      try SafetensorsHeader(
        parsing: Array(text.utf8), dataByteCount: byteCount, path: "the recorded header")
    }
  }

  private static func writeWeights(
    _ adapter: Adapter, _ header: SafetensorsHeader, to file: OutputFile
  ) throws(InteropError) {
    for tensor in header.tensors where adapter.tensor(tensor.info.name) != tensor.info {
      throw .notExpressible("the adapter has no tensor \(tensor.info.name) as recorded")
    }
    let encoded = header.encoded
    try storing { () throws(StorageError) in try file.write(encoded) }
    if let (source, index) = adapter.file {
      return try restoreWeights(of: source, index, header, from: UInt64(encoded.count), to: file)
    }
    for tensor in header.tensors {
      let contents = try rethrowing(as: InteropError.format) { () throws(FormatError) in
        try adapter.contents(of: tensor.info.name)
      }
      try storing { () throws(StorageError) in try file.write(contents) }
    }
  }

  /// Writes tensors as they are decoded, none of which is ever whole in memory.
  private static func restoreWeights(
    of source: AdapterFile, _ adapter: Int, _ header: SafetensorsHeader, from start: UInt64,
    to file: OutputFile
  ) throws(InteropError) {
    var places: [Name: UInt64] = [:]
    for tensor in header.tensors { places[tensor.info.name] = start + tensor.offset }
    try storing { () throws(StorageError) in try file.resize(to: start + header.dataByteCount) }
    try rethrowing(as: InteropError.format) { () throws(FormatError) in
      _ = try unsafe source.restore(adapter: adapter) {
        [places] info, offset, bytes throws(FormatError) in
        guard let place = places[info.name] else { return }
        try rethrowing(as: FormatError.storage) { () throws(StorageError) in
          try unsafe file.write(bytes, at: place + UInt64(offset))
        }
      }
    }
  }

  private static func checkDigest(
    _ path: FilePath, _ source: SourceRecord
  ) throws(InteropError) {
    guard let expected = source.digest else { return }
    let digest = try storing { () throws(StorageError) in try File(path).digest() }
    guard digest == expected else {
      throw .notExpressible("the tensors are not those of the file the adapter was made from")
    }
  }
}

extension Adapter {
  /// Its tensors without the files that it carries.
  fileprivate var weights: [TensorInfo] {
    let carried = Set(files.compactMap(\.tensor))
    return tensors.filter { !carried.contains($0.name) }
  }
}

extension Operation {
  /// What the operation does, whatever a base has decided since.
  fileprivate var effect: OperationRecord {
    guard let target else { return record }
    return with(Target(target.name)).record
  }
}
