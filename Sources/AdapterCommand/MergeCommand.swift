internal import AdapterFormat
internal import AdapterRuntime
internal import Adapters
internal import ArgumentParser
internal import Checkpoints
internal import Storage
internal import SystemPackage

/// `adapter merge`.
struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Writes a base with an adapter's changes applied.",
    usage: "adapter merge <base> <adapter> -o <output> [<options>]",
    discussion: """
      A file becomes a file, a folder of shards a folder of the same shards. The base is streamed: \
      memory does not grow with it. A base that is not the one the adapter was made for is refused.

      Examples:
        adapter merge base.safetensors lora.adp -o merged.safetensors
        adapter merge path/to/model lora.adp -o path/to/merged-model
      """)

  @Argument(
    help: "The base: a safetensors file, or a folder or index of shards.", completion: .file())
  var base: String

  @Argument(
    help: "The adapter: an .adp file, FILE#NAME, - for standard input, or a PEFT folder.",
    completion: .file())
  var adapter: String

  @Option(name: .shortAndLong, help: "The file or folder to write.", completion: .file())
  var output: String

  @Option(help: "How square weights are stored that nothing else decides.")
  var layout: LayoutChoice?

  @Option(
    help: ArgumentHelp(
      "The base's tensor that a target of the adapter means.", valueName: "target=stored"))
  var map: [NamePair] = []

  @Flag(help: "Makes biases that the adapter changes and the base does not have, from zeros.")
  var addMissingBias = false

  @Flag(
    help: "Gives parameters that share a tensor one each, where the adapter changes them apart.")
  var untie = false

  @Flag(help: "Merges NaN and infinity as they come.")
  var allowNonFinite = false

  @Flag(help: "Merges into a base that differs where the adapter does not change it.")
  var allowOtherBase = false

  @Flag(help: "Writes a receipt as JSON to standard output (Spec/cli.md).")
  var json = false

  @Flag(help: "Replaces what is there.")
  var force = false

  func validate() throws {
    guard !AdapterOutput.isStandardOutput(output) else {
      throw ValidationError("a merge is not written to standard output: name a file or a folder")
    }
  }

  func run() throws {
    let reference = try AdapterReference(adapter)
    try checkDistinct(output, from: reference.inputs)
    let start = ContinuousClock.now
    let adapter = try reference.open()
    try reportWarnings(adapter, reference)
    let checkpoint = try openCheckpoint(base, notFor: output)
    let receipt: MergeReceipt
    do throws(RuntimeError) {
      let view = try AdaptedCheckpoint(checkpoint, applying: adapter, policy: policy)
      let bar = ProgressBar("merging")
      defer { bar.finish() }
      receipt = try Merge(view).write(to: FilePath(output), replacing: force) {
        bar.advance($0, of: $1)
      }
    } catch {
      throw Failure(error, adapter: reference.path)
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    if json { Terminal.write(receipt.json(seconds: seconds)) }
    for line in receipt.lines(seconds: seconds) { Terminal.report(line.kind, line.text) }
  }

  /// An adapter that changes nothing, or not what one thinks, is worth a word before the work.
  private func reportWarnings(
    _ adapter: Adapter, _ reference: AdapterReference
  ) throws(Failure) {
    do throws(FormatError) {
      for warning in try Warning.all(of: adapter) {
        if case .unresolvedLayout = warning { continue }
        Terminal.report("warning", warning.sentence)
      }
    } catch {
      throw Failure(error, in: reference.path)
    }
  }

  private var policy: AdaptedCheckpoint.Policy {
    .init(
      nonFiniteValues: allowNonFinite ? .allow : .refuse,
      otherBase: allowOtherBase ? .allow : .refuse,
      choices: BindingChoices(
        layout: layout?.layout, names: map.names, missingBias: addMissingBias ? .create : .refuse,
        ties: untie ? .untie : .refuse))
  }
}
