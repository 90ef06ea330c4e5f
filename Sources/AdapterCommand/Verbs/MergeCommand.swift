internal import AdapterFormat
internal import AdapterInterop
internal import AdapterRuntime
internal import Operations
internal import ArgumentParser
internal import Checkpoints
internal import Storage
internal import SystemPackage

/// `adapter merge`.
struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Merge adapters into a base.",
    usage: "adapter merge <base> <adapter>[:<weight>] ... [-o <output>] [<options>]",
    discussion: """
      A file becomes a file; a folder of shards becomes a folder of the same shards. The base is \
      streamed, so memory does not grow with it. A base other than the one an adapter was trained on is \
      refused.

      Without -o the output is named after the inputs, in the working folder: base+lora.safetensors, or \
      a folder model+lora. An existing file is never replaced.

      Adapters are applied from left to right, each with its weight: 1 by default, 0 to leave it out, \
      negative to subtract it. A stack in which one adapter would undo another is refused.

      An interrupted merge of shards resumes when the same command is run again; --discard removes what \
      it left. With --part 1/8, 2/8, …, several processes on one file system share the shards, and \
      --finish completes the folder. To undo a merge, merge the adapter that --undo wrote into the result.

      Examples:
        adapter merge base.safetensors lora.adp
        adapter merge path/to/model lora.adp -o path/to/merged-model
        adapter merge path/to/model lora.adp:0.7 dora.adp:-0.3 -o path/to/mixed-model
        adapter merge path/to/model lora.adp --dry-run
        adapter merge path/to/model lora.adp -o path/to/merged-model --undo undo.adp
        adapter merge path/to/model lora.adp -o path/to/merged-model --shard-size 5GB
      """)

  @Argument(
    help: "The base: a safetensors file, or a folder or index of shards.", completion: .file())
  var base: String

  @Argument(
    help: """
      The adapters, of any format; FILE#NAME for one of several, - for standard input. Each may end in \
      :WEIGHT.
      """, completion: .file())
  var adapters: [String]

  @Option(name: .shortAndLong, help: "The file or folder to write.", completion: .file())
  var output: String?

  @Flag(help: "Report what would change and how much of it rounding keeps; write nothing.")
  var dryRun = false

  @Option(help: "Element type of all float tensors of the result (default: the base's).")
  var dtype: FloatTypeChoice?

  @Option(
    help: ArgumentHelp(
      "Write shards of up to this size (5GB, 500MB) instead of the base's.", valueName: "size"))
  var shardSize: SizeChoice?

  @Option(
    help: ArgumentHelp(
      "Write the i-th of n parts of the shards, beside the output.", valueName: "i/n"))
  var part: PartChoice?

  @Flag(help: "Complete a folder whose parts are all written.")
  var finish = false

  @Flag(help: "Remove what interrupted merges into the output left; merge nothing.")
  var discard = false

  @Option(
    help: ArgumentHelp(
      "Also write an adapter that undoes the merge, bit for bit.", valueName: "file"),
    completion: .file())
  var undo: String?

  @Option(
    help: ArgumentHelp(
      "Use this config.json for the result: for a new head, or new label names.",
      valueName: "file"), completion: .file(extensions: ["json"]))
  var config: String?

  @Option(
    help: ArgumentHelp(
      "Use the tokenizer of this folder for the result.",
      valueName: "folder"), completion: .directory)
  var tokenizer: String?

  @Flag(help: "Do not write a README.md for a base without one.")
  var noCard = false

  @OptionGroup
  var options: PolicyOptions

  @OptionGroup
  var progressOptions: ProgressOptions

  @Flag(help: "Write a receipt as JSON to standard output (Spec/cli.md).")
  var json = false

  @Flag(help: "Report on standard error how the time was spent.")
  var stats = false

  @Flag(help: "Replace an existing output.")
  var force = false

  func validate() throws {
    guard output == nil || !dryRun else { throw ValidationError("a dry run has no --output") }
    guard output != nil || !force else {
      throw ValidationError("--force replaces what --output names, and that is missing")
    }
    if let output, AdapterOutput.isStandardOutput(output) {
      throw ValidationError("a merge is not written to standard output: name a file or a folder")
    }
    guard !discard || (output != nil && part == nil && !finish && undo == nil) else {
      throw ValidationError("--discard goes with --output alone")
    }
    guard !finish || part == nil else {
      throw ValidationError("--finish completes what all --part have written")
    }
    let isWhole = part == nil && !finish
    guard isWhole || !dryRun else { throw ValidationError("a dry run is of all shards") }
    guard undo == nil || !(options.dequantize || options.requantize) else {
      throw ValidationError("--undo would have to hold the quantised base: keep that instead")
    }
    guard !options.requantize || (dtype == nil && shardSize == nil) else {
      throw ValidationError("--requantize keeps types and shards: no --dtype or --shard-size")
    }
    guard undo == nil || (isWhole && !dryRun) else {
      throw ValidationError("--undo goes with a merge by one process")
    }
  }

  func run() throws {
    if discard, let output { return try removeUnfinished(FilePath(output)) }
    let references = try WeightedReference.all(adapters)
    for path in [output, undo].compactMap(\.self) {
      for reference in references { try checkDistinct(path, from: reference.adapter.inputs) }
    }
    let start = ContinuousClock.now
    let checkpoint = try options.openBase(base, notFor: output)
    let stack = try references.open(
      for: options.importBase(checkpoint))
    MergedCard.reportEarlier(of: checkpoint, before: stack)
    do {
      let view = try AdaptedCheckpoint(
        checkpoint, applying: stack, as: dtype?.type, policy: options.policy)
      try Merge(view).check()
      guard !dryRun else { return try survey(view, start) }
      let merge = Merge(
        view, shardByteCount: shardSize?.byteCount,
        choices: try folderChoices(for: stack, on: checkpoint))
      guard merge.writesFolder || (config == nil && tokenizer == nil) else {
        throw Failure("--config and --tokenizer go with a base that is a folder")
      }
      let output = try output(of: merge, references.map(\.adapter))
      try write(merge, to: FilePath(output), from: references.flatMap(\.adapter.sources), start)
    } catch {
      throw Failure(error, in: references[0].adapter.path)
    }
  }

  private func removeUnfinished(_ output: FilePath) throws(Failure) {
    let gone = try failing(output) { try Merge.discard(beside: output, of: FilePath(base)) }
    guard !gone.isEmpty else {
      throw Failure("no merge into \(output) was begun and not ended")
    }
    Terminal.report("done", "\(output): \(gone.count.of("unfinished merge")) removed")
  }

  private func output(
    of merge: Merge, _ adapters: [AdapterReference]
  ) throws(Failure) -> String {
    let isFolder = merge.writesFolder
    guard let output else {
      return try DefaultOutput.merge(of: base, with: adapters, isFolder: isFolder)
    }
    try OutputSuffix.check(output, for: isFolder ? nil : ".safetensors")
    return output
  }

  private func write(
    _ merge: Merge, to output: FilePath, from sources: [FilePath],
    _ start: ContinuousClock.Instant
  ) throws {
    let bar = ProgressBar("merging", progressOptions.progress)
    defer { bar.finish() }
    if let part {
      // Other parts may have left theirs.
      Interruption.kept.withLock {
        $0 = "nothing of part \(part) is kept: run the same command again"
      }
    }
    func report(_ receipt: MergeReceipt) -> MergeReport {
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      return MergeReport(receipt: receipt, part: part, undo: undo, seconds: seconds)
    }
    let receipt = try merge.write(
      to: output, scope, replacing: force, inputs: sources, undo: undo.map { FilePath($0) },
      progress: { bar.advance($0, of: $1) }, event: { show($0, of: output, in: bar) },
      announcing: { receipt in
        if json { Terminal.announce(report(receipt).json) }
      })
    bar.finish()
    for line in report(receipt).lines { Terminal.report(line.kind, line.text) }
    guard stats else { return }
    for line in try MergeStatistics(receipt.times).lines { Terminal.report("stats", line) }
  }

  private func show(_ event: Merge.Event, of output: FilePath, in bar: ProgressBar) {
    switch event {
    case .abandoned(let path):
      Terminal.report(
        "note",
        "another merge into \(output) was begun and not ended: \(path); --discard removes it")
    case .checking: bar.begin("checking what is there")
    case .writing: bar.begin("merging")
    case .undo: bar.begin("working out the undo")
    case .flushing: bar.begin("flushing")
    case .kept(let files, let count):
      Interruption.kept.withLock {
        $0 =
          "\(files) of \(count) files of \(output) are kept: run the same command to resume, or add --discard to remove them"
      }
    @unknown default: break
    }
  }

  private func folderChoices(
    for stack: [WeightedAdapter], on checkpoint: Checkpoint
  ) throws -> FolderChoices {
    let tasks = Set(stack.compactMap { $0.weight == 0 ? nil : Formats.task(of: $0.adapter) })
    return FolderChoices(
      task: tasks.count == 1 ? tasks.first : nil, config: config.map { FilePath($0) },
      tokenizer: tokenizer.map { FilePath($0) },
      card: noCard ? nil : try MergedCard.text(of: checkpoint, stack))
  }

  private var scope: Merge.Scope {
    if let part { return .part(part.number, of: part.count) }
    return finish ? .finish : .all
  }

  private func survey(
    _ view: AdaptedCheckpoint, _ start: ContinuousClock.Instant
  ) throws {
    let bar = ProgressBar("working out", progressOptions.progress)
    let survey = try MergeSurvey(view) { bar.advance($0, of: $1) }
    bar.finish()
    let report = SurveyReport(
      survey: survey, seconds: (ContinuousClock.now - start) / .seconds(1))
    Terminal.write(json ? report.json : report.text)
    for line in report.lines { Terminal.report(line.kind, line.text) }
  }
}
