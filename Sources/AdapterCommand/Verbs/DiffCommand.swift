internal import AdapterFormat
internal import AdapterInsight
internal import AdapterRuntime
internal import ArgumentParser
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// `adapter diff`.
struct DiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Compare two adapters in effect, or two checkpoints tensor by tensor.",
    usage: "adapter diff <left> <right> [--base <base>] [<options>]",
    discussion: """
      Two adapters whose bytes differ may do the same: other factors of the same product, another \
      scale, rank, element type or order. Exit status: 0 if they do the same, 1 if they differ, 2 on \
      errors.

      Examples:
        adapter diff old.adp new.adp
        adapter diff lora.adp path/to/peft-adapter --quiet
        adapter diff dora.adp lora.adp --base path/to/model
        adapter diff base.safetensors tuned.safetensors
      """)

  @Argument(
    help: "X: an adapter of any format (FILE#NAME for one of several), or a checkpoint.",
    completion: .file())
  var left: String

  @Argument(help: "Y: the same.", completion: .file())
  var right: String

  @Option(
    help: "Compare the changes on this base model, for every method.",
    completion: .file())
  var base: String?

  @OptionGroup(title: "With --base")
  var binding: BindingOptions

  @Option(
    help:
      "Relative distance up to which changes count as the same (default: 1e-6; checkpoints: 0).")
  var tolerance: Double?

  @Flag(help: "Show principal angles: how far both use the same outputs and inputs.")
  var angles = false

  @Flag(help: "Show the map of layers and modules, however long.")
  var layers = false

  @Flag(name: .shortAndLong, help: "Write nothing: the exit status is the answer.")
  var quiet = false

  @Flag(help: "Write JSON (Spec/cli.md).")
  var json = false

  @OptionGroup
  var color: ColorOption

  @OptionGroup
  var progressOptions: ProgressOptions

  @OptionGroup
  var report: ReportOptions

  func validate() throws {
    guard (tolerance ?? 0) >= 0, tolerance?.isFinite ?? true else {
      throw ValidationError("--tolerance is a share, such as 1e-6")
    }
    guard !quiet || (!json && !report.isWanted) else {
      throw ValidationError("--quiet writes nothing: --json and --html have no effect")
    }
    guard base != nil || !binding.isUsed else {
      throw ValidationError("--layout and --map have no effect without --base")
    }
  }

  func run() throws {
    switch try DiffInput.open(left, right, base: base, binding.choices) {
    case (.checkpoint(let mine), .checkpoint(let theirs)):
      guard base == nil, !angles else {
        throw ValidationError("--base and --angles are for adapters")
      }
      try compare(mine, theirs)
    case (.adapters(let mine), .adapters(let theirs)): try compare(mine, theirs)
    default: throw Failure("one is an adapter and one is a checkpoint")
    }
  }

  private func compare(_ mine: AdapterSide, _ theirs: AdapterSide) throws {
    try report.check(inputs: mine.reference.inputs + theirs.reference.inputs, base: base)
    let choices = AdapterDiff.Choices(
      tolerance: tolerance ?? 1e-6, detail: angles ? .angles : .distances, base: base,
      binding: binding.choices, progress: progressOptions.progress)
    let answer = try SideDiff(mine, theirs, choices)
    if report.isWanted {
      try report.write(
        from: mine.reference.sources + theirs.reference.sources, DiffReport(answer).page,
        json: json ? answer.json : nil)
    } else if !quiet {
      Terminal.write(
        json
          ? answer.json
          : answer.text(
            isColoured: color.isColoured, rows: layers ? .max : Terminal.rowCount))
    }
    if [.differs, .undecided].contains(answer.verdict) { Terminal.exit(1) }
  }

  private func compare(_ mine: Checkpoint, _ theirs: Checkpoint) throws {
    try report.check(inputs: mine.inputs + theirs.inputs)
    let bar = ProgressBar("comparing", progressOptions.progress)
    let comparison: CheckpointComparison
    do {
      defer { bar.finish() }
      comparison = try CheckpointComparison(mine, theirs) { bar.advance($0, of: $1) }
    } catch {
      throw Failure(error, in: mine.path)
    }
    let answer = CheckpointDiff(
      left: left, right: right, comparison: comparison, tolerance: tolerance ?? 0)
    if report.isWanted {
      try report.write(
        from: mine.sources + theirs.sources, answer.page, json: json ? answer.json : nil)
    } else if !quiet {
      Terminal.write(json ? answer.json : answer.text(isColoured: color.isColoured))
    }
    if !answer.isSame { Terminal.exit(1) }
  }
}
