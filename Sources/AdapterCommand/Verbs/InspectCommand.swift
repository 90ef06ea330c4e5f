internal import AdapterFormat
internal import AdapterRuntime
internal import Operations
internal import ArgumentParser
internal import Checkpoints
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// `adapter inspect`.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show what an adapter does, how much, and to which base.",
    usage: "adapter inspect <path> [<options>]",
    discussion: """
      Prints the verdict first: a check mark for what was checked and is in order, then findings, \
      then what the adapter changes and which base it is for. With --base, changes are measured on \
      the base itself, for every method.

      Examples:
        adapter inspect lora.adp
        adapter inspect lora.adp --base path/to/model
        adapter inspect lora.adp --html report.html
        adapter inspect lora.adp --spectrum
        adapter inspect path/to/peft-adapter --json
        adapter inspect model.safetensors
      """)

  @Argument(
    help: "An adapter of any format, - for an .adp file on standard input, or a checkpoint.",
    completion: .file())
  var path: String

  @Option(
    help: "Measure the change of each tensor of this base model.",
    completion: .file())
  var base: String?

  @OptionGroup(title: "With --base")
  var binding: BindingOptions

  @Flag(help: "Read the manifest alone, and no values.")
  var summary = false

  @Flag(help: "List every tensor.")
  var tensors = false

  @Flag(help: "Show the map of layers and modules, however long.")
  var layers = false

  @Flag(help: "Show the digests of the file and of each adapter's weights.")
  var digests = false

  @Flag(help: "List the singular values of every change.")
  var spectrum = false

  @Flag(help: "Write JSON (Spec/cli.md).")
  var json = false

  @OptionGroup
  var color: ColorOption

  @OptionGroup
  var progressOptions: ProgressOptions

  @OptionGroup
  var report: ReportOptions

  func validate() throws {
    guard base != nil || !binding.isUsed else {
      throw ValidationError("--layout and --map have no effect without --base")
    }
    guard !summary || (base == nil && !report.isWanted && !spectrum) else {
      throw ValidationError("--summary leaves out what --base, --html and --spectrum show")
    }
  }

  func run() throws {
    let reference = try AdapterReference(path)
    guard !reference.contents.isCheckpoint else {
      guard base == nil, !report.isWanted, !spectrum else {
        throw ValidationError("--base, --html and --spectrum are for adapters")
      }
      return try showCheckpoint(reference.path)
    }
    try report.check(inputs: reference.inputs, base: base)
    let (file, adapters) = try reference.openAll(
      for: try ImportBase.needed(by: [reference], at: base, binding.choices),
      keepsForeignNames: true)
    var inspected: [InspectedAdapter] = []
    for adapter in adapters { inspected.append(try inspect(adapter, reference)) }
    let listing = AdapterListing(
      path: path, file: file, format: reference.contents.format, adapters: inspected,
      details: .init(
        tensors: tensors, spectra: spectrum, layers: layers, digests: digests))
    guard !report.isWanted else {
      return try report.write(
        from: reference.sources, InspectReport(listing).page, json: json ? listing.json : nil)
    }
    Terminal.write(
      json
        ? listing.json
        : listing.text(isColoured: color.isColoured, rows: Terminal.rowCount))
  }

  private func inspect(
    _ adapter: Adapter, _ reference: AdapterReference
  ) throws(Failure) -> InspectedAdapter {
    var change: InspectedAdapter.BaseEffect?
    if let base, adapter.onWeights.operations.isEmpty {
      Terminal.report(
        "note", "\(adapter.name) acts at run time only: it changes nothing of \(base)")
    } else if let base {
      change = try InspectedAdapter.BaseEffect(
        of: adapter, at: reference.path, on: base, binding.choices, progressOptions.progress)
    }
    do {
      return summary
        ? try InspectedAdapter(summaryOf: adapter)
        : try InspectedAdapter(adapter, change, progressOptions.progress)
    } catch {
      throw Failure(error, in: reference.path)
    }
  }

  private func showCheckpoint(_ path: FilePath) throws(Failure) {
    do throws(CheckpointError) {
      let listing = CheckpointListing(try Checkpoint(path), listsTensors: tensors)
      Terminal.write(json ? listing.json : listing.text)
    } catch {
      throw Failure(error)
    }
  }
}
