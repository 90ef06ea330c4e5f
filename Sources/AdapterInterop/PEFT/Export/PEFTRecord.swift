package import AdapterFormat
package import Checkpoints
package import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// The files of PEFT that an adapter was made from, which come back byte for byte.
package struct PEFTRecord: Sendable {
  /// Where the adapter came from.
  package let source: SourceRecord
  /// The text of `adapter_config.json`.
  package let config: String
  /// The header of the weights.
  package let header: SafetensorsHeader
  private let adapter: Adapter

  /// Reads the record in an adapter; nil if the adapter did not come from PEFT, or if its operations are no longer
  /// those of its recorded configuration.
  ///
  /// - Throws: `InteropError` where the record is not complete.
  package init?(of adapter: Adapter) throws {
    guard let source = adapter.source, source.format == PEFTFormat.name, let config = source.config,
      try Self.isMeant(adapter, config)
    else { return nil }
    self.adapter = adapter
    self.source = source
    self.config = config
    header = try Self.header(of: adapter, source)
    for tensor in header.tensors where adapter.tensor(tensor.info.name) != tensor.info {
      throw InteropError(
        .notExpressible, "the adapter has no tensor \(tensor.info.name) as recorded")
    }
  }

  /// The recorded configuration must still say what the operations do: they are what counts here,
  /// the configuration is what counts there.
  private static func isMeant(_ adapter: Adapter, _ text: String) throws -> Bool {
    let config = try PEFTConfig(
      try PEFTFolder.parseConfig(Array(text.utf8), "the recorded adapter_config.json"))
    // What the user said of the files is in the operations; the configuration does not know it.
    let decided = Dictionary(
      adapter.operations.compactMap(\.target).map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    return try config.method.answers.contains { answer in
      var choices = answer
      choices.resolve = { targets in targets.map { decided[$0.name] ?? $0 } }
      guard let meaning = try? PEFTMeaning(of: config, adapter.weights, choices) else {
        return false
      }
      // Their order follows that of the tensors, which is another in the file.
      let meant = meaning.operations
      return try meant.count == adapter.operations.count
        && Set(meant.map(\.effect)) == Set(adapter.operations.map(\.effect))
        && holds(meaning.derived, adapter)
    }
  }

  /// Returns true if the tensors that were worked out still have the values that the others give.
  private static func holds(_ derived: [DerivedTensor], _ adapter: Adapter) throws -> Bool {
    let values = PEFTValues(of: adapter)
    return try derived.allSatisfy { tensor in
      try adapter.tensor(tensor.info.name) == tensor.info
        && adapter.contents(of: tensor.info.name) == tensor.bytes(values)
    }
  }

  /// The recorded header, or the canonical one.
  private static func header(
    of adapter: Adapter, _ source: SourceRecord
  ) throws -> SafetensorsHeader {
    guard let text = source.header else {
      return SafetensorsHeader(canonical: adapter.weights, metadata: PEFTFolder.metadata)
    }
    let byteCount = adapter.weights.reduce(0 as UInt64) { $0 + UInt64($1.byteCount) }
    return try SafetensorsHeader(
      parsing: Array(text.utf8), dataByteCount: byteCount, path: "the recorded header")
  }

  /// Writes the weights, and holds them against the digest of those that the adapter was made from.
  func writeWeights(to file: OutputFile) throws {
    let encoded = header.encoded
    try file.write(encoded)
    if let (source, index) = adapter.file {
      try restoreWeights(of: source, index, from: UInt64(encoded.count), to: file)
    } else {
      for tensor in header.tensors {
        let contents = try adapter.contents(of: tensor.info.name)
        try file.write(contents)
      }
    }
    guard let expected = source.digest else { return }
    let digest = try file.written().digest()
    guard digest == expected else {
      throw InteropError(
        .notExpressible, "the tensors are not those of the file the adapter was made from")
    }
  }

  /// Writes tensors as they are decoded, none of which is ever whole in memory.
  private func restoreWeights(
    of source: AdapterFile, _ adapter: Int, from start: UInt64, to file: OutputFile
  ) throws {
    var places: [Name: UInt64] = [:]
    for tensor in header.tensors { places[tensor.info.name] = start + tensor.offset }
    try file.resize(to: start + header.dataByteCount)
    _ = try unsafe source.restore(adapter: adapter) {
      [places] info, offset, bytes throws(FormatError) in
      guard let place = places[info.name] else { return }
      try rethrowing(as: FormatError.storage) { () throws(StorageError) in
        try unsafe file.write(bytes, at: place + UInt64(offset))
      }
    }
  }
}

extension Adapter {
  /// Its tensors without the files that it carries, and without those that were worked out of others.
  fileprivate var weights: [TensorInfo] {
    trainedTensors.filter { !$0.name.hasPrefix(DerivedTensor.prefix) }
  }
}

extension Operation {
  /// The effect of the operation, whatever a base has decided since.
  fileprivate var effect: OperationRecord {
    guard let target else { return record }
    return with(Target(target.name)).record
  }
}
