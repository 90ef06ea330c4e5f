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
  let view: AdaptedCheckpoint
  let plans: [ShardPlan]
  private let isResharded: Bool
  private let choices: FolderChoices

  /// How much of a merge one call does.
  public enum Scope: Sendable, Hashable {
    /// All of it, or what an earlier call that was killed has left.
    case all
    /// The files that are the share of one process of several, from 1 to `count`; they wait beside the target.
    case part(Int, of: Int)
    /// The rest when all parts are there: the other files, and the folder's name.
    case finish
  }

  /// An event during the work.
  @nonexhaustive
  public enum Event: Sendable, Hashable {
    /// Another merge into the output was begun and not ended: of another version, or with other inputs or options.
    case abandoned(FilePath)
    /// The files that an earlier process has written are held against their proofs.
    case checking
    /// Files with weights are written.
    case writing
    /// The adapter that takes the merge back is worked out.
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

  /// Refuses what a merge has no result for: a pipeline's folder with other shards or types than it has.
  ///
  /// - Throws: `AdapterError`.
  public func check() throws {
    if view.checkpoint.keepsCodes, isResharded {
      throw AdapterError(.misuse, "codes that are made again stay in the base's shards")
    }
    guard view.checkpoint.isPipeline else { return }
    if isResharded || view.resultType != nil { throw AdapterError.pipeline(view.checkpoint) }
    for plan in plans where plan.header != nil {
      let part = FilePath(plan.name).removingLastComponent()
      if plans.count(where: { FilePath($0.name).removingLastComponent() == part }) > 1 {
        throw AdapterError.pipelineIndex(view.checkpoint, part.string)
      }
    }
  }

  /// True if the result is a folder.
  public var writesFolder: Bool { isResharded || view.checkpoint.isFolder }

  /// Writes a file for a base that is a file, a folder for one that is a folder or gets other shards.
  ///
  /// - Parameters:
  ///   - target: where the result will be; it appears whole or not at all.
  ///   - scope: how much of it.
  ///   - replacing: whether what is there may be replaced; its owner and modes stay.
  ///   - inputs: what the adapters were read from: who may not read these, or the base, may not read the result.
  ///   - undo: where an adapter goes that takes the merge back, of a merge that one call does. Both appear, or neither.
  ///   - progress: takes the bytes since the last call that are written, or, of codes that are made again, worked out, and
  ///     how many there are to write; while it checks, those found as they shall be, of all. Called from any thread.
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
    guard scope == .all || writesFolder else { throw AdapterError.notSharded }
    guard scope == .all || !view.checkpoint.isPipeline else {
      throw AdapterError.pipeline(view.checkpoint)
    }
    guard writesFolder else {
      receipt.proven = try proveResults(of: plans)
      let total = plans[0].byteCount
      try target.checkRoom(for: Self.room(for: plans), copiedFrom: view.checkpoint.path)
      event(.writing)
      let file = try OutputFile(
        target, replacing: replacing, inputs: view.checkpoint.sources + inputs)
      _ = try fill(
        file, with: plans[0], ShardWorkers(), isProved: false, { progress($0, total) }, &receipt)
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
    let names = plans.map(\.name) + files.copied + files.edited.map(\.name)
    guard !view.checkpoint.isPipeline else {
      return try OutputFolder(
        target, names: names, replacing: replacing, inputs: view.checkpoint.sources + inputs)
    }
    let job = try MergeJob(view, plans)
    AbandonedFolders.all(ofKind: MergeJob.kind, beside: target, but: job.tag)
      .forEach { event(.abandoned($0)) }
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
