internal import Adapters
internal import Checkpoints
internal import Storage
internal import StrictJSON

/// What one file of a merged checkpoint will hold, and from where.
///
/// Where no tensor changes its size and none is new, the header is the base's, byte for byte, and every
/// tensor keeps its place. Otherwise the header is written anew in the same order, with new tensors at
/// the end.
struct ShardPlan: Sendable {
  /// The base's file.
  let source: File
  /// A new header; nil where the base's stays.
  let header: [UInt8]?
  /// Length of the file.
  let byteCount: UInt64
  /// The file's tensors in the order of their bytes.
  let tensors: [Tensor]
  /// Where the header ends in the base's file.
  let sourceHeaderCount: UInt64

  /// A tensor and its place.
  struct Tensor: Sendable {
    let info: TensorInfo
    let offset: UInt64
    let contents: Contents
  }

  /// Where a tensor's bytes come from.
  enum Contents: Sendable {
    /// Unchanged, from this place of the base's file.
    case stored(at: UInt64)
    case adapted(AdaptedTensor)
  }

  init(_ view: AdaptedCheckpoint, shard: Int) {
    let file = view.checkpoint.shards[shard].file
    source = file.file
    let stored = view.checkpoint.tensors(inShard: shard)
    let isLast = shard == view.checkpoint.shards.count - 1
    let created = isLast ? view.tensors.filter { $0.kind == .created } : []
    let adapted = stored.map { view.adapted($0.info.name) }
    sourceHeaderCount = stored.first?.offset ?? file.file.count
    let isSame = created.isEmpty && !adapted.contains { $0?.kind == .resized }
    let infos =
      zip(stored, adapted).map { $1?.info ?? $0.info } + created.map(\.info)
    let header = SafetensorsHeader(inOrder: infos, metadata: file.header.metadata)
    let encoded = header.encoded
    self.header = isSame ? nil : encoded
    let places =
      isSame ? stored.map(\.offset) : header.tensors.map { UInt64(encoded.count) + $0.offset }
    let contents =
      zip(stored, adapted).map { stored, adapted in
        adapted.map(Contents.adapted) ?? .stored(at: stored.offset)
      } + created.map(Contents.adapted)
    tensors = zip(zip(infos, places), contents).map {
      Tensor(info: $0.0, offset: $0.1, contents: $1)
    }
    byteCount =
      isSame ? file.file.count : UInt64(encoded.count) + header.dataByteCount
  }
}
