package import AdapterFormat
internal import Operations
package import Storage
internal import StrictJSON

extension AdapterFolder {
  /// Writes the folder as an `.adp` file, in one pass.
  ///
  /// - Parameters:
  ///   - edit: what to change in the manifest.
  ///   - sink: takes the file.
  ///   - level: how hard to compress.
  /// - Throws: `InteropError` where the tensors cannot be read, or what was written breaks a rule.
  package func write(
    _ edit: ManifestEdit, to sink: any ByteSink, level: CompressionLevel
  ) throws {
    if edit.changesBase { try manifest.checkNothingIsLost() }
    var writer = try AdapterWriter(to: sink, level: level)
    for (record, part) in zip(manifest.adapters, parts) {
      var record = record
      record.placeStreams()
      try writer.append(record, tensors: part.tensors, opaque: part.opaque)
    }
    let text = try manifest.packedText(
      manifestText, of: writer, generator: "adapter \(toolVersion)")
    try writer.finish(manifest: try edit.apply(to: text, of: manifest))
  }

  /// The manifest's metadata, in its order.
  package var metadata: [Manifest.MetadataEntry] { manifest.metadata }
}
