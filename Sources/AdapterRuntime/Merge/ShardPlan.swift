internal import Operations
internal import Checkpoints
internal import Storage
internal import StrictJSON

/// The plan for one file of a merged checkpoint: its contents, and where they come from.
///
/// Where no tensor changes its size and none is new, the header is the base's, byte for byte, and every
/// tensor keeps its place. Otherwise the header is written anew in the same order, with new tensors at
/// the end.
struct ShardPlan: Sendable {
  /// Its name in a folder.
  let name: String
  /// Length of the file.
  private(set) var byteCount: UInt64 = 0
  /// Its bytes, run by run.
  private(set) var runs: [Run] = []
  /// The file's tensors in the order of their bytes.
  let tensors: [TensorInfo]
  /// A new header; nil where the base's stays.
  let header: [UInt8]?

  /// A run of the file's bytes.
  struct Run: Sendable {
    let range: Range<UInt64>
    let contents: Contents
  }

  /// Where bytes come from.
  enum Contents: Sendable {
    case bytes([UInt8])
    /// Unchanged, from a file of the base.
    case stored(FileRange)
    case adapted(AdaptedTensor)
    /// Codes or scales of a quantised parameter that adapters change: made again when the file is written, or the base's
    /// if no value changes.
    case codes(Name, FileRange)
  }

  /// A tensor for a file, and where its bytes come from.
  private struct Content {
    let info: TensorInfo
    let contents: Contents

    init(_ stored: StoredTensor, in view: AdaptedCheckpoint) {
      if let adapted = view.adapted(stored.info.name) {
        (info, contents) = (adapted.info, .adapted(adapted))
      } else if let range = stored.fileRange {
        (info, contents) = (stored.info, .stored(range))
      } else {
        let decoded = AdaptedTensor(decoded: stored)
        (info, contents) = (decoded.info, .adapted(decoded))
      }
    }

    init(_ info: TensorInfo, _ contents: Contents) {
      (self.info, self.contents) = (info, contents)
    }

    init(_ created: AdaptedTensor) {
      (info, contents) = (created.info, .adapted(created))
    }
  }

  /// The tensors of the parameters of a base that stays quantised.
  private struct Codes {
    private(set) var all: Set<Name> = []
    /// Those that are made again.
    private(set) var made: Set<Name> = []

    init(_ view: AdaptedCheckpoint) {
      guard view.checkpoint.keepsCodes else { return }
      for parameter in view.checkpoint.decoded {
        all.formUnion(parameter.tensors)
        if view.adapted(parameter.info.name) != nil { made.formUnion(parameter.made) }
      }
    }
  }

  /// The files of a view: the base's own, or others of at most this size, but for tensors that are larger.
  static func all(of view: AdaptedCheckpoint, shardByteCount: UInt64?) -> [ShardPlan] {
    let checkpoint = view.checkpoint
    let created = view.tensors.filter { $0.kind == .created }.map(Content.init)
    if let shardByteCount {
      let all = checkpoint.tensors.map { Content($0, in: view) } + created
      let metadata = checkpoint.shards.first?.file.header.metadata
      return cut(all, shardByteCount).enumerated().map { number, shard in
        ShardPlan(named: name(number, of: shard.count), shard.contents, metadata)
      }
    }
    let codes = Codes(view)
    return checkpoint.shards.indices.map { index in
      // New tensors go to the last file, of a pipeline to that of their part.
      let prefix = checkpoint.shards[index].prefix
      let isLast = checkpoint.shards.dropFirst(index + 1).allSatisfy { $0.prefix != prefix }
      return ShardPlan(
        view, shard: index, and: isLast ? created.filter { $0.info.name.hasPrefix(prefix) } : [],
        codes)
    }
  }

  private static func name(_ number: Int, of count: Int) -> String {
    func digits(_ number: Int) -> String {
      let text = String(number)
      return String(repeating: "0", count: max(0, 5 - text.utf8.count)) + text
    }
    return count == 1
      ? "model.safetensors" : "model-\(digits(number + 1))-of-\(digits(count)).safetensors"
  }

  /// Tensors in their order, as many to a file as there is room for.
  private static func cut(
    _ all: [Content], _ limit: UInt64
  ) -> [(contents: [Content], count: Int)] {
    var shards: [[Content]] = [[]]
    var size: UInt64 = 0
    for content in all {
      let count = UInt64(content.info.byteCount)
      if size > 0, size + count > limit {
        shards.append([])
        size = 0
      }
      shards[shards.count - 1].append(content)
      size += count
    }
    return shards.map { ($0, shards.count) }
  }

  /// A file of the base.
  private init(
    _ view: AdaptedCheckpoint, shard index: Int, and created: [Content], _ codes: Codes
  ) {
    let checkpoint = view.checkpoint
    let shard = checkpoint.shards[index]
    let stored =
      checkpoint.keepsCodes
      ? checkpoint.tensorsAsStored(inShard: index) : checkpoint.tensors(inShard: index)
    let contents = stored.map { tensor in
      let name = tensor.info.name
      guard codes.all.contains(name), let bytes = tensor.fileRange else {
        return Content(tensor, in: view)
      }
      return Content(
        tensor.info, codes.made.contains(name) ? .codes(name, bytes) : .stored(bytes))
    }
    let isSame =
      created.isEmpty && !checkpoint.isWrittenDecoded
      && zip(stored, contents).allSatisfy { $0.info == $1.info }
    guard isSame else {
      self.init(
        named: shard.name, contents + created, shard.file.header.metadata, dropping: shard.prefix)
      return
    }
    self.init(named: shard.name, contents, header: nil)
    append(.stored(shard.head), shard.head.count)
    append(contents)
  }

  /// A file with a header of its own, in which the names are without what a pipeline adds.
  private init(
    named name: String, _ contents: [Content], _ metadata: [SafetensorsHeader.Entry]?,
    dropping prefix: Name = ""
  ) {
    let header = SafetensorsHeader(
      inOrder: contents.map { $0.info.dropping(prefix) }, metadata: metadata
    ).encoded
    self.init(named: name, contents, header: header)
    append(.bytes(header), UInt64(header.count))
    append(contents)
  }

  /// One without bytes yet.
  private init(named name: String, _ contents: [Content], header: [UInt8]?) {
    self.name = name
    self.header = header
    tensors = contents.map(\.info)
  }

  private mutating func append(_ contents: [Content]) {
    for content in contents { append(content.contents, UInt64(content.info.byteCount)) }
  }

  /// The tensors that are made again, and how many bytes they have.
  var codes: [Name: Int] {
    var result: [Name: Int] = [:]
    for run in runs {
      if case .codes(let name, _) = run.contents { result[name] = run.range.count }
    }
    return result
  }

  /// The first run that ends after a place.
  func firstRun(after place: UInt64) -> Int {
    var (low, high) = (0, runs.count)
    while low < high {
      let middle = (low + high) / 2
      if runs[middle].range.upperBound <= place { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Adds bytes; what follows in the base's file what came before is one run with it.
  private mutating func append(_ contents: Contents, _ count: UInt64) {
    guard count > 0 else { return }
    let range = byteCount..<byteCount + count
    byteCount += count
    if case .stored(let bytes) = contents, let last = runs.last,
      case .stored(let before) = last.contents, let joined = before.followed(by: bytes)
    {
      runs[runs.count - 1] = Run(
        range: last.range.lowerBound..<range.upperBound, contents: .stored(joined))
    } else {
      runs.append(Run(range: range, contents: contents))
    }
  }
}

extension TensorInfo {
  fileprivate func dropping(_ prefix: Name) -> TensorInfo {
    guard !prefix.text.isEmpty else { return self }
    return TensorInfo(
      name: Name(String(name.text.dropFirst(prefix.text.count))), type: type, shape: shape)
  }
}
