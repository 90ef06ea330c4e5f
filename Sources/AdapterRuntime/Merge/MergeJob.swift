internal import AdapterFormat
internal import Operations
internal import Checkpoints
internal import Storage
internal import StrictJSON

/// The identity of a merge, which tells the processes that write it from those of any other: the base's files with
/// their sizes and times and samples of all its tensors, the adapters with their weights and their bindings, and the
/// files to write.
///
/// A process that was killed is gone on with, and several share the work, by this alone: the folder that they fill has
/// it in its name.
struct MergeJob {
  /// The name of the folder's kind and the job.
  let tag: String

  static let kind = "merge-"

  init(_ view: AdaptedCheckpoint, _ plans: [ShardPlan]) throws {
    var hasher = DigestHasher()
    func add(_ text: String) { hasher.update(Array(text.utf8) + [0]) }
    add("merge \(toolVersion)")
    for shard in view.checkpoint.shards {
      add("\(shard.name) \(shard.file.file.count) \(shard.file.file.status.modified)")
    }
    // Archives and images give all files one time, and models of one architecture have equal sizes.
    for sample in try Self.samples(of: view.checkpoint) { hasher.update(sample) }
    for applied in view.adapters {
      add("\(applied.weight)")
      let adapter = applied.bound.adapter
      hasher.update(try adapter.manifestText())
      if let file = adapter.file?.file {
        add(file.digest.description)
      } else {
        for digest in try adapter.tensors.concurrentMap(adapter.contentsDigest) {
          add(digest.description)
        }
      }
    }
    for plan in plans {
      add("\(plan.name) \(plan.byteCount)")
      for tensor in plan.tensors { add("\(tensor.name) \(tensor.type.rawValue)") }
    }
    tag = Self.kind + hasher.finish().bytes.prefix(8).hexadecimalText
  }

  /// Samples of all tensors that the result holds or is made of: of codes that stay, those beside them too.
  private static func samples(of base: Checkpoint) throws -> [[UInt8]] {
    guard base.keepsCodes else { return try base.tensors.concurrentMap(base.sampleDigest) }
    return try base.tensorsAsStored.concurrentMap { try TensorSample($0).exact }
  }

  /// Which of the files is whose, where `count` processes share them: the largest first, each to whom has the
  /// fewest bytes so far.
  static func shares(of plans: [ShardPlan], count: Int) -> [[Int]] {
    var shares = [[Int]](repeating: [], count: count)
    var sizes = [UInt64](repeating: 0, count: count)
    let order = plans.indices.sorted {
      (plans[$1].byteCount, $0) < (plans[$0].byteCount, $1)
    }
    for index in order {
      guard let place = sizes.indices.min(by: { (sizes[$0], $0) < (sizes[$1], $1) }) else { break }
      shares[place].append(index)
      sizes[place] += plans[index].byteCount
    }
    return shares.map { $0.sorted() }
  }
}

extension ArraySlice<UInt8> {
  fileprivate var hexadecimalText: String { Array(self).hexadecimal }
}
