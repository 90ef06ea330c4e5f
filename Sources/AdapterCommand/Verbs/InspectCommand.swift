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
    abstract: "Shows what an adapter does, how much, and to which base.",
    usage: "adapter inspect <path> [<options>]",
    discussion: """
      The sizes of the changes are those of the products that the factors stand for, and never take \
      more memory than the factors do. With --base they are measured on the base itself, for every \
      method.

      Examples:
        adapter inspect lora.adp
        adapter inspect lora.adp --base path/to/model
        adapter inspect lora.adp --html report.html
        adapter inspect lora.adp --spectrum
        adapter inspect path/to/peft-adapter --json
        adapter inspect model.safetensors
      """)

  @Argument(
    help: "An .adp file, - for one on standard input, a PEFT folder, or a safetensors checkpoint.",
    completion: .file())
  var path: String

  @Option(
    help: "The base model: also shows how much of each of its tensors changes.",
    completion: .file())
  var base: String?

  @OptionGroup(title: "With --base")
  var binding: BindingOptions

  @Flag(help: "Reads the manifest alone, and shows what it says.")
  var summary = false

  @Flag(help: "Lists every tensor.")
  var tensors = false

  @Flag(help: "Lists the singular values of every change.")
  var spectrum = false

  @Flag(help: "Writes JSON (Spec/cli.md).")
  var json = false

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
      for: try ImportBase.needed(by: [reference], at: base, binding.choices))
    var inspected: [InspectedAdapter] = []
    for adapter in adapters { inspected.append(try inspect(adapter, reference)) }
    let listing = AdapterListing(
      path: path, file: file, format: reference.contents.format, adapters: inspected,
      details: .init(tensors: tensors, spectra: spectrum))
    guard !report.isWanted else {
      return try report.write(
        from: reference.sources, InspectReport(listing).page, json: json ? listing.json : nil)
    }
    Terminal.write(json ? listing.json : listing.text(isColoured: Terminal.showsColours))
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
      let listing = CheckpointListing(try Checkpoint(path))
      Terminal.write(json ? listing.json : listing.text)
    } catch {
      throw Failure(error)
    }
  }
}
