internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

// The files with weights of a merge, one after the other.

extension Merge {
  func write(
    _ scope: Scope, to output: OutputFolder,
    _ progress: @escaping @Sendable (Int, UInt64) -> Void, _ event: (Event) -> Void,
    _ receipt: inout MergeReceipt
  ) throws {
    let share = share(of: scope)
    let size = share.reduce(0) { $0 + plans[$1].byteCount }
    event(.checking)
    let missing = isKept ? try missing(of: share, in: output) { progress($0, size) } : share
    receipt.resumedShards = share.filter { !missing.contains($0) }.map { plans[$0].name }
    if scope == .finish, !missing.isEmpty {
      throw AdapterError.partsMissing(missing.map { plans[$0].name })
    }
    receipt.proven = try proveResults(of: missing.map { plans[$0] })
    try output.target.checkRoom(
      for: Self.room(for: missing.map { plans[$0] }), copiedFrom: view.checkpoint.path)
    event(.writing)
    let rest = missing.reduce(0) { $0 + plans[$1].byteCount }
    try write(missing, in: output, { progress($0, rest) }, event, &receipt)
  }

  /// True if a later process may go on with finished files: a folder with sub-folders is written at once.
  private var isKept: Bool { !view.checkpoint.isPipeline }

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
    let workers = ShardWorkers()
    for index in indices {
      let file = try output.file(plans[index].name)
      let proof = try fill(file, with: plans[index], workers, isProved: isKept, report, &receipt)
      if isKept { try proof.write(of: plans[index], into: output) }
      try file.commit()
      // One more to come, so that going on is worth more than beginning anew.
      kept += 1
      if isKept, index != indices.last {
        output.keepWhenInterrupted()
        event(.kept(files: kept, of: receipt.resumedShards.count + indices.count))
      }
    }
  }

  /// Bytes that files take, with the codes that wait for one of them at a time.
  static func room(for plans: [ShardPlan]) -> UInt64 {
    plans.reduce(0) { $0 + $1.byteCount }
      + UInt64(plans.map { $0.codes.values.reduce(0, +) }.max() ?? 0)
  }

  func fill(
    _ file: OutputFile, with plan: ShardPlan, _ workers: ShardWorkers, isProved: Bool,
    _ report: @escaping @Sendable (Int) -> Void, _ receipt: inout MergeReceipt
  ) throws -> ShardProof {
    let start = ContinuousClock.now
    let codes = try RequantisedCodes(of: plan, in: view, beside: receipt.output, report)
    if !plan.codes.isEmpty { receipt.add(makingCodes: ContinuousClock.now - start) }
    let blocks = try BlockOutput(file, byteCount: plan.byteCount)
    let writer = ShardWriter(
      view, plan, codes.ranges, output: blocks, workers: workers, isProved: isProved,
      report: report)
    let written = try writer.run()
    try checkSources(of: plan)
    receipt.add(plan, written.survival, written.times)
    receipt.add(codes.survival)
    return written.proof
  }

  /// Half of one base and half of another would be none: what was read must be what was opened.
  private func checkSources(of plan: ShardPlan) throws {
    for run in plan.runs {
      switch run.contents {
      case .bytes: break
      case .stored(let bytes), .codes(_, let bytes): try bytes.checkUnchanged()
      case .adapted(let tensor): try tensor.origin?.checkUnchanged()
      }
    }
  }

  /// Tensors whose bytes after the change the adapter has recorded ([BND-6]): on its own base they must come
  /// out so, and restored ones always, or nothing is written.
  func proveResults(of plans: [ShardPlan]) throws -> [Name] {
    guard view.resultType == nil, !view.checkpoint.keepsCodes else { return [] }
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
