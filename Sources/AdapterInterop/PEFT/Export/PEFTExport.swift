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
      return ForeignExport(files: [config, weights] + carried(by: adapter), losses: [], notes: [])
    }
    let draft = try PEFTDraft(of: adapter)
    return ForeignExport(
      files: draft.files + carried(by: adapter), losses: draft.losses,
      notes: [
        adapter.source?.format == PEFTFormat.name
          ? "written from the operations, which are not those of the recorded adapter_config.json"
          : "written from the operations: there are no files of PEFT to give back"
      ])
  }

  /// Small files that lay beside the source.
  private static func carried(by adapter: Adapter) -> [ForeignExport.File] {
    adapter.files.compactMap { record in
      record.tensor.map { tensor in
        ForeignExport.File(name: record.path.text) { output in
          let contents = try adapter.contents(of: tensor)
          try output.write(contents)
        }
      }
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
