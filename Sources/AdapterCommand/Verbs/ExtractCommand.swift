internal import AdapterFormat
internal import AdapterRuntime
internal import Operations
internal import ArgumentParser
internal import Checkpoints
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// `adapter extract`.
struct ExtractCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "extract",
    abstract: "Make an adapter from the difference between two checkpoints.",
    usage: "adapter extract <base> <tuned> -o <output> --method <method> [<options>]",
    discussion: """
      The method bitfit takes the biases. Merging the adapter into the base restores the biases of the \
      tuned model bit for bit. Each is stored as a difference if that restores it exactly, otherwise as \
      its value. Changes of other tensors are refused and named.

      Examples:
        adapter extract path/to/base path/to/tuned -o biases.adp --method bitfit
        adapter extract base.safetensors tuned.safetensors -o b.adp --method bitfit
        adapter extract base tuned -o biases.adp --method bitfit --only-bias
      """)

  @Argument(
    help: "The base: a safetensors file, or a folder or index of shards.", completion: .file())
  var base: String

  @Argument(
    help: "The same model, fine-tuned; or a safetensors file of its biases alone.",
    completion: .file())
  var tuned: String

  @Option(
    name: .shortAndLong, help: "The .adp file to write, or - for standard output.",
    completion: .file(extensions: ["adp"]))
  var output: String

  @Option(help: "The method of the adapter.")
  var method: Method

  @Flag(help: "Ignore changes of other tensors.")
  var onlyBias = false

  @Flag(help: "Store the biases' values, not differences.")
  var absolute = false

  @Flag(help: "Replace an existing file.")
  var force = false

  /// The method that an extraction looks for.
  enum Method: String, ExpressibleByArgument, CaseIterable {
    case bitfit
  }

  func run() throws {
    let (before, after) = (
      try openCheckpoint(base, notFor: output), try openCheckpoint(tuned, notFor: output)
    )
    let extraction: BiasExtraction
    do {
      extraction = try BiasExtraction(
        from: before, to: after,
        options: .init(leavesOthers: onlyBias, holdsValues: absolute))
    } catch {
      throw Failure(error, in: FilePath(tuned))
    }
    guard !extraction.forms.isEmpty else {
      throw Failure("\(tuned): no bias differs from \(base)", hint: nil)
    }
    try write(
      extraction.adapter, to: output, replacing: force, from: before.sources + after.sources)
    for form in BiasExtraction.Form.allCases {
      let count = extraction.forms.filter { $0.form == form }.count
      if count > 0 {
        Terminal.report("note", "\(count.of("bias", plural: "biases")) as \(form.rawValue)")
      }
    }
    for (words, names) in [
      ("left behind", extraction.left), ("in the base only", extraction.missing),
    ] where !names.isEmpty {
      let shown = names.prefix(3).map(\.text).joined(separator: ", ")
      Terminal.report("note", "\(words): \(names.count.of("tensor")), as \(shown)")
    }
  }
}
