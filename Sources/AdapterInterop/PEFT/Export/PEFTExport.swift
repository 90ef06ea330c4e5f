internal import AdapterFormat
internal import Operations
internal import Storage
internal import StrictJSON

/// An adapter as the folder that PEFT loads: the files that it was made from, or new ones made of its operations.
enum PEFTExport {
  static func export(_ adapter: Adapter) throws -> ForeignExport {
    if let record = try PEFTRecord(of: adapter) {
      let config = ForeignExport.File(name: PEFTFolder.configName, text: Array(record.config.utf8))
      let weights = ForeignExport.File(name: PEFTFolder.weightsName) { file in
        try record.writeWeights(to: file)
      }
      let carried = try CarriedBack(of: adapter)
      return ForeignExport(
        files: [config, weights] + carried.files, losses: carried.losses, notes: [])
    }
    let draft = try PEFTDraft(of: adapter)
    let carried = try CarriedBack(of: adapter)
    return ForeignExport(
      files: draft.files + carried.files, losses: draft.losses + carried.losses,
      notes: [
        adapter.source?.format == PEFTFormat.name
          ? "written from the operations, which are not those of the recorded adapter_config.json"
          : "written from the operations: there are no files of PEFT to give back"
      ])
  }
}

/// The small files that an adapter brings along, written beside it: those of a name that is carried, and no other. An
/// `.adp` file may come from anywhere, and what lies in a model's folder is run, or loaded as a pickle, by its name.
private struct CarriedBack {
  private(set) var files: [ForeignExport.File] = []
  private(set) var losses: [ForeignExport.Loss] = []

  /// - Throws: `InteropError` where one has the name of a file of the adapter itself, be it in other letters: some file
  ///   systems take the two for one.
  init(of adapter: Adapter) throws(InteropError) {
    for record in adapter.files {
      let name = record.path.text
      guard ![PEFTFolder.configName, PEFTFolder.weightsName].contains(name.lowercased()) else {
        throw InteropError(.conflict, "\(name), one of its files, has a name of the adapter's own")
      }
      guard let tensor = record.tensor else {
        losses.append(
          .init(kind: .record, place: nil, reason: "\(name): only its digest is there"))
        continue
      }
      guard CarriedFiles.names.contains(name) else {
        losses.append(
          .init(kind: .file, place: nil, reason: "\(name), which is not a name of a PEFT folder"))
        continue
      }
      files.append(
        ForeignExport.File(name: name) { output in
          try output.write(try adapter.contents(of: tensor))
        })
    }
  }
}

extension ForeignExport.File {
  /// A file of a text that is at hand.
  init(name: String, text: [UInt8]) {
    self.init(name: name) { output in
      try output.write(text)
    }
  }
}
