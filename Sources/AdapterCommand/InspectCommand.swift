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

  @Argument(help: "An .adp file, a PEFT folder, or a safetensors checkpoint.")
  var path: String

  @Flag(help: "Writes JSON (Spec/cli.md).")
  var json = false

  func run() throws {
    let path = FilePath(path)
    let status = FileStatus(of: path)
    if PEFTFolder.isPlausible(path), status?.isFolder == true || path.isPEFTFile {
      let imported = try AdapterReference.importPEFT(path, ignoredFields: [])
      try show(AdapterListing(path: self.path, file: nil, adapters: [imported.adapter]), path)
    } else if status?.isFolder == true || path.isSafetensors {
      try showCheckpoint(path)
    } else {
      try showFile(path)
    }
  }

  private func showFile(_ path: FilePath) throws(Failure) {
    do throws(FormatError) {
      let file = try AdapterFile.open(path)
      let adapters = try Adapter.adapters(of: file)
      try show(AdapterListing(path: self.path, file: file, adapters: adapters), path)
    } catch {
      throw Failure(error, in: path)
    }
  }

  private func show(_ listing: AdapterListing, _ path: FilePath) throws(FormatError) {
    let inspections = try listing.inspections()
    Terminal.write(json ? listing.json(inspections) : listing.text(inspections))
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

extension FilePath {
  /// Whether its name is that of a safetensors file or an index of shards.
  fileprivate var isSafetensors: Bool {
    let name = lastComponent?.string ?? ""
    return name.hasSuffix(".safetensors") || name.hasSuffix(".index.json")
  }
}
