package import AdapterFormat
internal import Operations
internal import Checkpoints
internal import Storage
internal import StrictJSON
package import SystemPackage

extension AdapterFolder {
  /// Writes adapters of a file as a folder.
  ///
  /// - Parameters:
  ///   - file: the file.
  ///   - chosen: the adapters' indices in its manifest.
  ///   - target: the folder, which appears whole or not at all.
  ///   - replacing: whether one that holds the same files and nothing else may be replaced.
  ///   - inputs: where the file comes from: who may not read it may not read the folder.
  /// - Returns: the files, as they are called below the folder.
  /// - Throws: `InteropError` where the file is damaged, its adapters cannot be in one folder, or the
  ///   folder not be written.
  package static func unpack(
    _ file: AdapterFile, adapters chosen: [Int], to target: FilePath, replacing: Bool,
    inputs: [FilePath] = []
  ) throws -> [String] {
    let records = chosen.map { file.manifest.adapters[$0] }
    if let why = reasonNotToUnpack(records.map(\.name)) {
      throw InteropError(.conflict, why)
    }
    let prefixes = records.map { records.count == 1 ? "" : "\($0.name)/" }
    var names = [manifestName]
    for (record, prefix) in zip(records, prefixes) {
      names.append(prefix + tensorsName)
      if record.hasOpaqueBytes { names.append(prefix + opaqueName) }
    }
    let folder = try OutputFolder(
      target, names: names, replacing: replacing, inputs: inputs)
    let text = try file.manifest.unpackedText(file.manifestText(), adapters: chosen)
    try write(manifestName, in: folder) { output in
      try output.write(text)
    }
    for (index, prefix) in zip(chosen, prefixes) {
      try write(prefix + tensorsName, in: folder) { output in
        try writeTensors(of: file, adapter: index, to: output)
      }
      guard file.manifest.adapters[index].hasOpaqueBytes else { continue }
      try write(prefix + opaqueName, in: folder) { output in
        try file.copyOpaqueStreams(adapter: index, to: output)
      }
    }
    try folder.commit()
    return names
  }

  /// The tensors by descending element type, so that each is aligned, and those of one type in the order
  /// of their streams, which is that in which they are packed again.
  private static func writeTensors(
    of file: AdapterFile, adapter index: Int, to output: OutputFile
  ) throws {
    let infos = file.manifest.adapters[index].streams.flatMap(\.tensors)
      .compactMap { file.tensor($0.name, adapter: index) }
    let ordered = ElementType.allCases.reversed().flatMap { type in
      infos.filter { $0.type == type }
    }
    let header = SafetensorsHeader(inOrder: ordered, metadata: nil)
    let start = UInt64(header.encoded.count)
    var places: [Name: UInt64] = [:]
    for tensor in header.tensors { places[tensor.info.name] = start + tensor.offset }
    try output.write(header.encoded)
    try output.resize(to: start + header.dataByteCount)
    try unsafe file.restore(adapter: index) {
      [places] info, offset, bytes throws(FormatError) in
      guard let place = places[info.name] else { return }
      try rethrowing(as: FormatError.storage) { () throws(StorageError) in
        try unsafe output.write(bytes, at: place + UInt64(offset))
      }
    }
  }

  private static func write(
    _ name: String, in folder: OutputFolder,
    _ body: (OutputFile) throws -> Void
  ) throws {
    let file = try folder.file(name)
    try body(file)
    try file.commit()
  }
}
