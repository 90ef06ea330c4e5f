internal import AdapterFormat
internal import AdapterInsight
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON
public import SystemPackage

/// Writes an adapted checkpoint to disk: the base's files, with the bytes of the changed tensors
/// replaced. Headers, order, metadata and untouched tensors stay as they are, byte for byte, unless another element
/// type or other shards are asked for.
public struct Merge: Sendable {
  private let view: AdaptedCheckpoint
  private let plans: [ShardPlan]
  private let isResharded: Bool
  private let choices: FolderChoices

  /// How much of a merge one call does.
  public enum Scope: Sendable, Hashable {
    /// All of it, or what an earlier call that was killed has left.
    case all
    /// The files that are the share of one process of several, from 1 to `count`; they wait beside the target.
    case part(Int, of: Int)
    /// What is left when all parts are there: the other files, and the folder's name.
    case finish
  }

  /// What the work comes to.
  @nonexhaustive
  public enum Event: Sendable, Hashable {
    /// Another merge into the output was begun and not ended: of another version, or with other inputs or options.
    case abandoned(FilePath)
    /// What an earlier process has written is held against its proof.
    case checking
    /// Files with weights are written.
    case writing
    /// What takes the merge back is worked out.
    case undo
    /// The disk is waited for.
    case flushing
    /// So many files stay for the next process, should this one be ended now.
    case kept(files: Int, of: Int)
  }

  /// Prepares to write a view.
  ///
  /// - Parameters:
  ///   - view: what is written.
  ///   - shardByteCount: the size up to which tensors share a file; nil for the base's files.
  ///   - choices: what is decided of the files beside the weights of a folder.
  public init(
    _ view: AdaptedCheckpoint, shardByteCount: UInt64? = nil,
    choices: FolderChoices = FolderChoices()
  ) {
    self.view = view
    self.choices = choices
    isResharded = shardByteCount != nil
    plans = ShardPlan.all(of: view, shardByteCount: shardByteCount)
  }

  /// Refuses a base that a merge has no result for: the folder of a pipeline.
  ///
  /// - Throws: `AdapterError`.
  public func check() throws {
    guard !view.checkpoint.isPipeline else { throw AdapterError.pipeline(view.checkpoint) }
  }

  /// Whether the result is a folder.
  public var writesFolder: Bool { isResharded || view.checkpoint.isFolder }

  /// Writes a file for a base that is a file, a folder for one that is a folder or gets other shards.
  ///
  /// - Parameters:
  ///   - target: where the result will be; it appears whole or not at all.
  ///   - scope: how much of it.
  ///   - replacing: whether what is there may be replaced; its owner and modes stay.
  ///   - inputs: what the adapters were read from: who may not read these, or the base, may not read the result.
  ///   - undo: where an adapter goes that takes the merge back, of a merge that one call does. Both appear, or neither.
  ///   - progress: takes the bytes since the last call that are written, or found as they shall be, and the total; called
  ///     from any thread.
  ///   - event: told what the work comes to; called from the calling thread.
  ///   - announce: takes the receipt when all is on the disk and nothing has its name yet. If it throws, nothing gets it.
  /// - Throws: `AdapterError`; then nothing is left behind, but for parts that are finished.
  /// - Returns: what was done.
  @discardableResult
  public func write(
    to target: FilePath, _ scope: Scope = .all, replacing: Bool, inputs: [FilePath] = [],
    undo: FilePath? = nil,
    progress: @escaping @Sendable (_ written: Int, _ total: UInt64) -> Void = { _, _ in },
    event: (Event) -> Void = { _ in },
    announcing announce: (MergeReceipt) throws -> Void = { _ in }
  ) throws -> MergeReceipt {
    try check()
    let inputs = inputs + choices.inputs
    try target.checkDistinct(from: view.checkpoint.inputs + choices.inputs)
    precondition(undo == nil || scope == .all, "an undo of a part of a merge")
    // Opened before the work, so that a place that cannot be written is known by then.
    let journal = try undo.map { try openUndo($0, replacing, inputs) }
    let files = try MergeFiles(view, plans, isResharded: isResharded, choices)
    var receipt = MergeReceipt(
      output: target, applied: view.receipt, notes: files.notes, of: view)
    guard writesFolder else {
      guard scope == .all else { throw AdapterError.notSharded }
      receipt.proven = try proveResults(of: plans)
      let total = plans[0].byteCount
      try target.checkRoom(for: total, copiedFrom: view.checkpoint.path)
      event(.writing)
      let file = try OutputFile(
        target, replacing: replacing, inputs: view.checkpoint.sources + inputs)
      _ = try fill(file, with: plans[0], isProved: false, { progress($0, total) }, &receipt)
      try commit(file, journal, &receipt, event, announce)
      return receipt
    }
    let output = try folder(target, scope, files, replacing, inputs, event)
    do {
      try write(scope, to: output, progress, event, &receipt)
      if case .part = scope {
        try announce(receipt)
      } else {
        try files.write(into: output)
        receipt.add(files)
        try commit(output, journal, &receipt, event, announce)
      }
    } catch {
      throw output.lossOfJob ?? error
    }
    return receipt
  }

  private func folder(
    _ target: FilePath, _ scope: Scope, _ files: MergeFiles, _ replacing: Bool,
    _ inputs: [FilePath], _ event: (Event) -> Void
  ) throws -> OutputFolder {
    let job = try MergeJob(view, plans)
    AbandonedFolders.all(ofKind: MergeJob.kind, beside: target, but: job.tag)
      .forEach { event(.abandoned($0)) }
    let names = plans.map(\.name) + files.copied + files.edited.map(\.name)
    return try OutputFolder(
      target, names: names, replacing: replacing, inputs: view.checkpoint.sources + inputs,
      lifetime: scope.lifetime(of: job))
  }
}

// MARK: - What takes it back

extension Merge {
  private func openUndo(
    _ path: FilePath, _ replacing: Bool, _ inputs: [FilePath]
  ) throws -> OutputFile {
    try MergeUndo.check(view)
    try path.checkDistinct(from: view.checkpoint.inputs)
    return try OutputFile(
      path, replacing: replacing, inputs: view.checkpoint.sources + inputs)
  }

  /// Gives the result its name; with a journal, this gets the adapter that takes the merge back, worked out from the
  /// result before that has its name, and both appear together.
  private func commit(
    _ output: any PendingOutput, _ journal: OutputFile?, _ receipt: inout MergeReceipt,
    _ event: (Event) -> Void, _ announce: (MergeReceipt) throws -> Void
  ) throws {
    if let journal {
      event(.undo)
      let undo = try MergeUndo(
        of: view, in: Checkpoint(output.temporary), calledAs: output.target.lastComponent?.string)
      try Adapter.write([undo.adapter], to: journal)
      receipt.undoByteCount = try journal.written().count
    }
    try announce(receipt)
    event(.flushing)
    try Outputs.commit((journal.map { [$0] } ?? []) + [output])
  }
}

// MARK: - Files with weights

extension Merge {
  private func write(
    _ scope: Scope, to output: OutputFolder,
    _ progress: @escaping @Sendable (Int, UInt64) -> Void, _ event: (Event) -> Void,
    _ receipt: inout MergeReceipt
  ) throws {
    let share = share(of: scope)
    let size = share.reduce(0) { $0 + plans[$1].byteCount }
    event(.checking)
    let missing = try missing(of: share, in: output) { progress($0, size) }
    receipt.resumedShards = share.filter { !missing.contains($0) }.map { plans[$0].name }
    if scope == .finish, !missing.isEmpty {
      throw AdapterError.partsMissing(missing.map { plans[$0].name })
    }
    receipt.proven = try proveResults(of: missing.map { plans[$0] })
    try output.target.checkRoom(
      for: missing.reduce(0) { $0 + plans[$1].byteCount }, copiedFrom: view.checkpoint.path)
    event(.writing)
    try write(missing, in: output, { progress($0, size) }, event, &receipt)
  }

  /// The files that a scope is about.
  private func share(of scope: Scope) -> [Int] {
    guard case .part(let number, let count) = scope else { return Array(plans.indices) }
    precondition((1...count).contains(number), "part \(number) of \(count)")
    return MergeJob.shares(of: plans, count: count)[number - 1]
  }

  /// Those of some files that are not in the folder, or not as they were written.
  private func missing(
    of share: [Int], in output: OutputFolder, _ report: @escaping @Sendable (Int) -> Void
  ) throws -> [Int] {
    try share.filter { !(try ShardProof.holds(of: plans[$0], in: output, report: report)) }
  }

  private func write(
    _ indices: [Int], in output: OutputFolder, _ report: @escaping @Sendable (Int) -> Void,
    _ event: (Event) -> Void, _ receipt: inout MergeReceipt
  ) throws {
    var kept = receipt.resumedShards.count
    if kept > 0 { event(.kept(files: kept, of: kept + indices.count)) }
    for index in indices {
      let file = try output.file(plans[index].name)
      let proof = try fill(file, with: plans[index], isProved: true, report, &receipt)
      try proof.write(of: plans[index], into: output)
      try file.commit()
      // One more to come, so that going on is worth more than beginning anew.
      kept += 1
      if index != indices.last {
        output.keepWhenInterrupted()
        event(.kept(files: kept, of: receipt.resumedShards.count + indices.count))
      }
    }
  }

  private func fill(
    _ file: OutputFile, with plan: ShardPlan, isProved: Bool,
    _ report: @escaping @Sendable (Int) -> Void, _ receipt: inout MergeReceipt
  ) throws -> ShardProof {
    let blocks = try BlockOutput(file, byteCount: plan.byteCount)
    let writer = ShardWriter(view, plan, output: blocks, isProved: isProved, report: report)
    let written = try writer.run()
    try checkSources(of: plan)
    receipt.add(plan, written.survival, written.times)
    return written.proof
  }

  /// Half of one base and half of another would be none: what was read must be what was opened.
  private func checkSources(of plan: ShardPlan) throws {
    for run in plan.runs {
      switch run.contents {
      case .bytes: break
      case .stored(let bytes): try bytes.checkUnchanged()
      case .adapted(let tensor): try tensor.origin?.checkUnchanged()
      }
    }
  }

  /// Tensors whose bytes after the change the adapter has recorded ([BND-6]): on its own base they must come
  /// out so, and restored ones always, or nothing is written.
  private func proveResults(of plans: [ShardPlan]) throws -> [Name] {
    guard view.resultType == nil else { return [] }
    let names = Set(plans.flatMap { $0.tensors.map(\.name) })
    let recorded = view.tensors.filter {
      $0.recordedResult != nil && names.contains($0.info.name)
    }
    let isProven = try recorded.concurrentMap { tensor in
      try view.reader(of: tensor.info.name)?.digest() == tensor.recordedResult
    }
    for (tensor, isProven) in zip(recorded, isProven) where !isProven {
      if tensor.isRestored
        || tensor.operations.allSatisfy({ view.adapters[$0.owner].verdict == .exact })
      {
        throw AdapterError.otherResult(tensor.info.name)
      }
    }
    return zip(recorded, isProven).filter(\.1).map(\.0.info.name)
  }
}

extension Merge.Scope {
  fileprivate func lifetime(of job: MergeJob) -> OutputFolder.Lifetime {
    switch self {
    case .all: .job(job.tag)
    case .part: .shared(job.tag)
    case .finish: .end(job.tag)
    }
  }
}

// MARK: - Jobs that were not ended

extension Merge {
  /// Removes what merges of a base into an output have left, unfinished.
  ///
  /// - Parameters:
  ///   - target: the output.
  ///   - base: the base; what lies in its folder may lie in the result's.
  /// - Throws: `StorageError` where a process is at work on it, or it holds what no merge writes.
  /// - Returns: the folders that are gone.
  public static func discard(beside target: FilePath, of base: FilePath) throws -> [FilePath] {
    let folder = FileStatus(of: base)?.isFolder == true ? base : base.parent
    let names = Set((try? Platform.list(folder)) ?? [])
    return try AbandonedFolders.discard(ofKind: MergeJob.kind, beside: target) { name in
      names.contains(name) || TokenizerFiles.names.contains(name)
        || name == MergedConfig.fileName || name.hasSuffix(".safetensors")
        || name == ShardIndex.fileName || name == FolderChoices.cardName
    }
  }
}
