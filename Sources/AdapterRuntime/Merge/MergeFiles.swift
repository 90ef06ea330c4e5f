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
  private let config: MergedConfig
  /// Configuration, tokenizer and the like, which are copied.
  private(set) var copied: [String]
  /// Files of the base that the result does not have.
  private(set) var omitted: [String]
  /// Files that are written with other contents.
  private(set) var edited: [(name: String, contents: [UInt8])] = []
  private var tokenizerNotes: [String] = []

  /// Looks at the base's folder.
  ///
  /// - Parameters:
  ///   - view: what is merged.
  ///   - plans: the files with weights.
  ///   - isResharded: whether these are others than the base's.
  ///   - choices: what the user decides of the files.
  /// - Throws: `AdapterError` where the folder or a file that is to be mended cannot be read.
  init(
    _ view: AdaptedCheckpoint, _ plans: [ShardPlan], isResharded: Bool, _ choices: FolderChoices
  ) throws {
    self.view = view
    config = MergedConfig(view, choices)
    self.plans = plans
    folder = view.checkpoint.folder
    let others = try BaseFolder(of: view.checkpoint, keepingIndex: !isResharded)
    (copied, omitted) = (others.copied, others.omitted)
    if let folder {
      for name in copied {
        guard let contents = try mended(name, folder.pushing(FilePath(name))) else { continue }
        edited.append((name, contents))
      }
    }
    if folder != nil, let path = choices.config, !copied.contains(MergedConfig.fileName) {
      edited.append((MergedConfig.fileName, try config.contents(path)))
    }
    let tokenizer = try MergedTokenizer(
      view, folder, rows: config.resizedVocabularies.first?.info.shape.dimensions.first,
      choices.tokenizer)
    edited += tokenizer.files
    tokenizerNotes = tokenizer.notes
    omitted += copied.filter(tokenizer.omitted.contains)
    copied.removeAll(where: tokenizer.omitted.contains)
    try addCard(choices.card)
    if isResharded, plans.count > 1 { edited.append((ShardIndex.fileName, try newIndex())) }
    let names = Set(edited.map(\.name))
    copied.removeAll(where: names.contains)
  }

  private mutating func addCard(_ card: String?) throws {
    let name = FolderChoices.cardName
    if copied.contains(name), try view.checkpoint.mergedCard != nil {
      copied.removeAll { $0 == name }
      if card == nil { omitted.append(name) }
    }
    guard let card, !copied.contains(name) else { return }
    edited.append((name, Array(card.utf8)))
  }

  /// Writes them into a folder.
  func write(into target: OutputFolder) throws {
    for file in edited {
      let output = try target.file(
        file.name, alsoFrom: folder.map { [$0.pushing(FilePath(file.name))] } ?? [])
      try output.write(file.contents)
      try output.commit()
    }
    for name in copied {
      guard let source = folder?.pushing(FilePath(name)) else { continue }
      let file = try File(source)
      let output = try target.file(name, alsoFrom: [source])
      try output.copy(from: file, range: 0..<file.count)
      try file.checkUnchanged()
      try output.commit()
    }
  }

  // MARK: - What is mended

  /// A file that the change of the weights makes untrue, mended; nil for one that stays.
  private func mended(_ name: String, _ path: FilePath) throws -> [UInt8]? {
    if name == view.checkpoint.indexPath?.lastComponent?.string {
      guard plans.contains(where: { $0.header != nil }) else { return nil }
      return try ShardIndex.encode(indexed, instead: path)
    }
    return name == MergedConfig.fileName ? try config.mended(path) : nil
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

  /// The notes about the files for the user.
  var notes: [String] { config.notes + tokenizerNotes + largeShard }

  /// Floats take up to eight times the room of codes.
  private var largeShard: [String] {
    guard view.checkpoint.isWrittenDecoded,
      let large = plans.first(where: { $0.byteCount > 10_000_000_000 })
    else { return [] }
    return [
      "\(large.name) has \(large.byteCount / 1_000_000_000) GB as floats: --shard-size 5GB cuts it"
    ]
  }
}
