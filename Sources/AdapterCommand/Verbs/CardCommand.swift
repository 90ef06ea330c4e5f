internal import AdapterFormat
internal import AdapterInterop
internal import AdapterRuntime
internal import Operations
internal import ArgumentParser
internal import Checkpoints
internal import Storage
internal import SystemPackage

/// `adapter card`.
struct CardCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "card",
    abstract: "Write a model card for the Hugging Face Hub.",
    usage: "adapter card <path> [-o <file>] [<options>]",
    discussion: """
      The front matter names the base, library, licence, task and tags, from the file's metadata (adapter \
      pack edits it) or from the README.md beside a foreign adapter. A table of facts and the commands \
      that use the adapter follow.

      Examples:
        adapter card lora.adp
        adapter card lora.adp -o README.md
        adapter card path/to/peft-adapter
      """)

  @Argument(
    help: "An adapter of any format, FILE#NAME, or - for an .adp file on standard input.",
    completion: .file())
  var path: String

  @Option(
    name: .shortAndLong, help: "The file to write, instead of standard output.",
    completion: .file(extensions: ["md"]))
  var output: String?

  @Option(
    help: "The base model, for a foreign adapter that cannot be read without it.",
    completion: .file())
  var base: String?

  @Flag(help: "Replace an existing file.")
  var force = false

  func validate() throws {
    guard output != nil || !force else {
      throw ValidationError("--force replaces what --output names, and that is missing")
    }
  }

  func run() throws {
    let reference = try AdapterReference(path)
    if let output { try checkDistinct(output, from: reference.inputs) }
    guard base == nil || reference.contents.format != nil else {
      throw ValidationError("--base has no effect on an .adp file")
    }
    let base = try ImportBase.needed(by: [reference], at: base, BindingChoices())
    let (file, adapters) = try reference.openAll(for: base)
    let inspections = try failing(reference.path) { try adapters.map { try $0.inspected() } }
    let card = try card(of: reference, file, inspections, base?.checkpoint)
    if card.baseName == nil {
      let recorded = card.base?.name.map { "the one that is recorded is a path, \($0)" }
      Terminal.report(
        "warning",
        "the card names no base: \(recorded ?? "none is recorded"); "
          + "adapter \(file == nil ? "convert" : "pack") --base-name sets a name")
    }
    for warning in inspections.flatMap(\.warnings) { Terminal.report("warning", warning.sentence) }
    guard let output, !AdapterOutput.isStandardOutput(output) else {
      return Terminal.write(card.text)
    }
    try write(card.text, to: FilePath(output), from: reference.sources)
  }

  /// The metadata of a foreign adapter, and its base's name, are those that a conversion records.
  private func card(
    of reference: AdapterReference, _ file: AdapterFile?, _ inspections: [Inspection],
    _ checkpoint: Checkpoint?
  ) throws(Failure) -> ModelCard {
    guard file == nil, let first = inspections.first else {
      return ModelCard(
        reference: reference, file: file, adapters: inspections,
        metadata: file?.manifest.metadata ?? [], base: file?.manifest.base)
    }
    let source = try SourceCard(of: first.adapter, at: reference.path)
    return ModelCard(
      reference: reference, file: nil, adapters: inspections, metadata: source.metadata,
      base: source.base(nil, checkpoint))
  }

  private func write(
    _ text: String, to path: FilePath, from sources: [FilePath]
  ) throws(Failure) {
    try OutputSuffix.check(path.string, for: ".md")
    try rethrowing(as: { Failure($0) }) { () throws(StorageError) in
      let file = try OutputFile(path, replacing: force, inputs: sources)
      try file.write(Array(text.utf8))
      try file.commit()
    }
    Terminal.report("done", "\(path): \(ByteCount(text.utf8.count))")
  }
}
