import AdapterFormat
import AdapterRuntime
import Checkpoints
import Operations
import Storage
import SystemPackage
import TestSupport

/// An adapter and a base: what can be merged is what a verification says, and can be taken back.
enum PairBody {
  /// Bytes of the base, and of an adapter's tensors: what is larger takes the time of many.
  private static let maximumByteCount: UInt64 = 1 << 18

  private static let policy = AdaptedCheckpoint.Policy(
    nonFiniteValues: .allow, otherBase: .allow, missingFingerprint: .allow)

  static func run(_ bytes: [UInt8]) throws(BrokenProperty) -> Bool {
    let input = PairInput(bytes)
    guard let contents = input.base(limit: maximumByteCount),
      let file = try? AdapterFile(MemoryBytes(input.adapter)),
      let adapters = try? Adapter.adapters(of: file),
      file.manifest.adapters.flatMap(\.streams)
        .reduce(0, { $0 + min(UInt64($1.byteCount), maximumByteCount) }) < maximumByteCount
    else { return false }
    let folder = try BrokenProperty.unlessHolds("there is a folder") { try TemporaryFolder() }
    try BrokenProperty.unlessHolds("the base is written") {
      try folder.write(contents, to: "base")
    }
    guard let base = try? Checkpoint(folder.appending("base")) else { return false }
    let stack = adapters.map { WeightedAdapter($0) }
    guard let view = try? AdaptedCheckpoint(base, applying: stack, policy: policy) else {
      return false
    }
    let target = folder.appending("out")
    guard (try? Merge(view).write(to: target, replacing: false)) != nil else {
      try BrokenProperty.unless(folder.names == ["base"], "a merge that fails leaves something")
      return false
    }
    try BrokenProperty.unless(folder.names == ["base", "out"], "a merge leaves something else")
    try check(view, target)
    return true
  }

  private static func check(
    _ view: AdaptedCheckpoint, _ target: FilePath
  ) throws(BrokenProperty) {
    let merged = try BrokenProperty.unlessHolds("a merged checkpoint is opened") {
      () throws(CheckpointError) in try Checkpoint(target)
    }
    let verification = try BrokenProperty.unlessHolds("a merge is verified") {
      try MergeVerification(of: merged, as: view)
    }
    for tensor in verification.tensors {
      try BrokenProperty.unless(
        [.identical, .untouched].contains(tensor.kind),
        "the merged \(tensor.name) is \(tensor.kind.rawValue)")
    }
    guard (try? MergeUndo.check(view)) != nil else { return }
    try BrokenProperty.unlessHolds("a merge is taken back") {
      let undo = try MergeUndo(of: view, in: merged).adapter
      let sink = MemorySink()
      try Adapter.write([undo], to: sink)
      let opened = try Adapter(AdapterFile(MemoryBytes(sink.bytes)), index: 0)
      let restored = try AdaptedCheckpoint(
        merged, applying: [WeightedAdapter(opened)], policy: policy)
      for tensor in view.checkpoint.tensors {
        guard try restored.contents(of: tensor.info.name) == tensor.contents() else {
          throw BrokenProperty("\(tensor.info.name) is another one")
        }
      }
    }
  }
}
