internal import AdapterFormat
internal import AdapterInterop
internal import Adapters
internal import ArgumentParser
internal import Checkpoints
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// `adapter inspect`.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Shows what an adapter does, and to which base.",
    discussion: """
      Of an .adp file only the manifest is read.

      Examples:
        adapter inspect lora.adp
        adapter inspect lora.adp --json
        adapter inspect path/to/peft-adapter
        adapter inspect model.safetensors
      """)

  @Argument(
    help: "An .adp file, - for one on standard input, a PEFT folder, or a safetensors checkpoint.")
  var path: String

  @Flag(help: "Writes JSON (Spec/cli.md).")
  var json = false

  func run() throws {
    let checkpoint = FilePath(path)
    if path != "-", isCheckpoint(checkpoint) { return try showCheckpoint(checkpoint) }
    let reference = try AdapterReference(path)
    switch reference.kind {
    case .peft:
      let adapter = try reference.importPEFT()
      try show(AdapterListing(path: path, file: nil, adapters: [adapter]), reference)
    case .tensors:
      let adapter = try reference.importTensors(base: nil)
      try show(AdapterListing(path: path, file: nil, adapters: [adapter]), reference)
    case .adp:
      let (file, adapters) = try reference.openFile()
      try show(AdapterListing(path: path, file: file, adapters: adapters), reference)
    }
  }

  private func show(
    _ listing: AdapterListing, _ reference: AdapterReference
  ) throws(Failure) {
    do throws(FormatError) {
      let inspections = try listing.inspections()
      Terminal.write(try json ? listing.json(inspections) : listing.text(inspections))
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

/// Whether a path is a safetensors file, an index of shards, or a folder that is no adapter's.
private func isCheckpoint(_ path: FilePath) -> Bool {
  let name = path.lastComponent?.string ?? ""
  if FileStatus(of: path)?.isFolder == true { return !PEFTFolder.isPlausible(path) }
  return name != PEFTFolder.weightsName
    && (name.hasSuffix(".safetensors") || name.hasSuffix(".index.json"))
}
