internal import AdapterRuntime
internal import ArgumentParser
internal import Checkpoints
internal import Operations
internal import Storage
internal import SystemPackage

/// `adapter check`.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Check that a base is the one the adapters were trained on.",
    usage: "adapter check <base> <adapter>[:<weight>] ... [<options>]",
    discussion: """
      Reports what merge would do, and writes nothing: how the base's samples compare with those \
      recorded in the adapter, how its names were found, how many tensors would change. Exit status: 0 \
      if the merge would succeed, 1 if the base is refused or nothing would change, 2 on errors.

      Examples:
        adapter check base.safetensors lora.adp
        adapter check path/to/model lora.adp:0.7 dora.adp:-0.3
        adapter check path/to/model lora.adp --json
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

  @OptionGroup
  var options: PolicyOptions

  @Flag(help: "Write JSON (Spec/cli.md).")
  var json = false

  func run() throws {
    let references = try WeightedReference.all(adapters)
    let checkpoint = try options.openBase(base)
    let stack = try references.open(
      for: options.importBase(checkpoint))
    MergedCard.reportEarlier(of: checkpoint, before: stack)
    let check: BaseCheck
    do {
      check = try BaseCheck(checkpoint, applying: stack, policy: options.policy)
    } catch {
      throw Failure(error, in: references[0].adapter.path)
    }
    let answer = CheckAnswer(base: base, check: check)
    Terminal.write(json ? answer.json : answer.text)
    if !check.isAffirmed { Terminal.exit(1) }
  }
}
