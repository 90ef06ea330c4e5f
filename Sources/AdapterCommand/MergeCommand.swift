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
    usage: "adapter merge <base> <adapter>[:<weight>] ... -o <output> [<options>]",
    discussion: """
      A file becomes a file, a folder of shards a folder of the same shards. The base is streamed: \
      memory does not grow with it. A base that is not the one an adapter was made for is refused.

      Several adapters are applied from left to right, each with its weight: 1 unless one is given, 0 to \
      leave it out, below 0 to take it away. What would undo the change of another is refused.

      Examples:
        adapter merge base.safetensors lora.adp -o merged.safetensors
        adapter merge path/to/model lora.adp -o path/to/merged-model
        adapter merge path/to/model lora.adp:0.7 dora.adp:-0.3 -o path/to/mixed-model
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
  var output: String

  @OptionGroup
  var options: PolicyOptions

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
    let references = try WeightedReference.all(adapters)
    for reference in references { try checkDistinct(output, from: reference.adapter.inputs) }
    let start = ContinuousClock.now
    let stack = try references.open()
    let checkpoint = try openCheckpoint(base, notFor: output)
    let receipt: MergeReceipt
    do throws(RuntimeError) {
      let view = try AdaptedCheckpoint(checkpoint, applying: stack, policy: options.policy)
      let bar = ProgressBar("merging")
      defer { bar.finish() }
      receipt = try Merge(view).write(to: FilePath(output), replacing: force) {
        bar.advance($0, of: $1)
      }
    } catch {
      throw Failure(error, adapter: references[0].adapter.path)
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    if json { Terminal.write(receipt.json(seconds: seconds)) }
    for line in receipt.lines(seconds: seconds) { Terminal.report(line.kind, line.text) }
  }
}
