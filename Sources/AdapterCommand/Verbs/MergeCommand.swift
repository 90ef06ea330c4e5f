internal import AdapterFormat
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
    abstract: "Writes a base with an adapter's changes applied.",
    usage: "adapter merge <base> <adapter>[:<weight>] ... -o <output> [<options>]",
    discussion: """
      A file becomes a file, a folder of shards a folder of the same shards. The base is streamed: \
      memory does not grow with it. A base that is not the one an adapter was made for is refused.

      Several adapters are applied from left to right, each with its weight: 1 unless one is given, 0 to \
      leave it out, below 0 to take it away. What would undo the change of another is refused.

      A merge of shards that was killed goes on where it was, when the same command is given again. With \
      --part 1/8, 2/8, …, several processes on one file system share the shards, and --finish completes the \
      folder. What --undo writes is merged into the result to take the merge back.

      Examples:
        adapter merge base.safetensors lora.adp -o merged.safetensors
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
      The adapters: .adp files, FILE#NAME, - for standard input, or PEFT folders; each may end in \
      :WEIGHT.
      """, completion: .file())
  var adapters: [String]

  @Option(name: .shortAndLong, help: "The file or folder to write.", completion: .file())
  var output: String?

  @Flag(help: "Writes nothing: says what would change, and what rounding leaves of it.")
  var dryRun = false

  @Option(help: "The element type of all float tensors of the result; without it the base's.")
  var dtype: FloatTypeChoice?

  @Option(
    help: ArgumentHelp(
      "Writes other shards than the base's, of up to this size: 5GB, 500MB.", valueName: "size"))
  var shardSize: SizeChoice?

  @Option(
    help: ArgumentHelp(
      "Writes the i-th of n shares of the shards, beside the output.", valueName: "i/n"))
  var part: PartChoice?

  @Flag(help: "Completes a folder whose parts are all written.")
  var finish = false

  @Option(
    help: ArgumentHelp(
      "Also writes an adapter that takes the merge back, bit for bit.", valueName: "file"),
    completion: .file())
  var undo: String?

  @OptionGroup
  var options: PolicyOptions

  @OptionGroup
  var progressOptions: ProgressOptions

  @Flag(help: "Writes a receipt as JSON to standard output (Spec/cli.md).")
  var json = false

  @Flag(help: "Replaces what is there.")
  var force = false

  func validate() throws {
    guard (output == nil) == dryRun else {
      throw ValidationError(dryRun ? "a dry run has no --output" : "--output is missing")
    }
    if let output, AdapterOutput.isStandardOutput(output) {
      throw ValidationError("a merge is not written to standard output: name a file or a folder")
    }
    guard !finish || part == nil else {
      throw ValidationError("--finish completes what all --part have written")
    }
    let isWhole = part == nil && !finish
    guard isWhole || !dryRun else { throw ValidationError("a dry run is of all shards") }
    guard undo == nil || (isWhole && !dryRun) else {
      throw ValidationError("--undo goes with a merge by one process")
    }
  }

  func run() throws {
    let references = try WeightedReference.all(adapters)
    for path in [output, undo].compactMap(\.self) {
      for reference in references { try checkDistinct(path, from: reference.adapter.inputs) }
    }
    let start = ContinuousClock.now
    let checkpoint = try openCheckpoint(base, notFor: output)
    let stack = try references.open(
      for: ImportBase(checkpoint: checkpoint, binding: options.policy.choices))
    do {
      let view = try AdaptedCheckpoint(
        checkpoint, applying: stack, as: dtype?.type, policy: options.policy)
      if let output {
        let result = Merge(view, shardByteCount: shardSize?.byteCount)
        try OutputSuffix.check(output, for: result.writesFolder ? nil : ".safetensors")
        let sources = references.flatMap(\.adapter.sources)
        try merge(view, to: FilePath(output), from: sources, start)
      } else {
        try survey(view, start)
      }
    } catch {
      throw Failure(error, in: references[0].adapter.path)
    }
  }

  private func merge(
    _ view: AdaptedCheckpoint, to output: FilePath, from sources: [FilePath],
    _ start: ContinuousClock.Instant
  ) throws {
    let bar = ProgressBar("merging", progressOptions.progress)
    defer { bar.finish() }
    func report(_ receipt: MergeReceipt) -> MergeReport {
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      return MergeReport(receipt: receipt, part: part, undo: undo, seconds: seconds)
    }
    let receipt = try Merge(view, shardByteCount: shardSize?.byteCount).write(
      to: output, scope, replacing: force, inputs: sources, undo: undo.map { FilePath($0) },
      progress: { bar.advance($0, of: $1) },
      announcing: { receipt in if json { Terminal.announce(report(receipt).json) } })
    for line in report(receipt).lines { Terminal.report(line.kind, line.text) }
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
