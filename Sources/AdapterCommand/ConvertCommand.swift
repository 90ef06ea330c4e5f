internal import AdapterFormat
internal import AdapterInterop
internal import AdapterRuntime
internal import Adapters
internal import ArgumentParser
internal import Checkpoints
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// `adapter convert`.
struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Converts a PEFT adapter to .adp, and back.",
    discussion: """
      The direction follows from what SOURCE is. From .adp to PEFT the two files come back byte for \
      byte.

      With --base the file also records which base it is for, and how that base stores its weights.

      Examples:
        adapter convert path/to/peft-adapter -o lora.adp
        adapter convert path/to/peft-adapter -o lora.adp --base path/to/model
        adapter convert lora.adp -o path/to/peft-adapter
      """)

  @Argument(help: "A PEFT folder, or an .adp file (FILE#NAME for one adapter of several).")
  var source: String

  @Option(name: .shortAndLong, help: "The .adp file or PEFT folder to write.")
  var output: String

  @Option(help: "The base model: a safetensors file, or a folder or index of shards.")
  var base: String?

  @Option(help: "How square weights are stored that nothing else decides: out_in or in_out.")
  var layout: LayoutChoice?

  @Option(help: "A field of adapter_config.json that is not known, and means nothing.")
  var ignoreField: [String] = []

  @Flag(help: "Replaces what is there.")
  var force = false

  func run() throws {
    let reference = AdapterReference(source)
    try checkDistinct(output, from: [reference.path])
    if FileStatus(of: reference.path)?.isFolder == true || reference.path.isPEFTFile {
      try convertToADP(reference)
    } else {
      try convertToPEFT(reference)
    }
  }

  private func convertToADP(_ reference: AdapterReference) throws(Failure) {
    let imported = try AdapterReference.importPEFT(reference.path, ignoredFields: ignoreField)
    var adapter = imported.adapter
    if let base { adapter = try bind(adapter, to: FilePath(base)) }
    do throws(FormatError) {
      let target = FilePath(output)
      let file = try openOutput(target, force: force)
      try Adapter.write([adapter], to: file)
      try commit(file)
    } catch {
      throw Failure(error, in: reference.path)
    }
    try reportResult()
  }

  /// Records what the base decides: names, layouts, and its fingerprint.
  private func bind(_ adapter: Adapter, to path: FilePath) throws(Failure) -> Adapter {
    do throws(RuntimeError) {
      let checkpoint: Checkpoint
      do throws(CheckpointError) {
        checkpoint = try Checkpoint(path)
      } catch {
        throw .checkpoint(error)
      }
      let bound = try BoundAdapter(adapter, to: checkpoint, userLayout: layout?.layout)
      for note in bound.notes { Terminal.report("note", note) }
      return try bound.recordingBase(checkpoint)
    } catch {
      throw Failure(error, adapter: path)
    }
  }

  private func reportResult() throws(Failure) {
    let path = FilePath(output)
    do throws(FormatError) {
      let file = try AdapterFile.open(path)
      for adapter in try Adapter.adapters(of: file) {
        let inspection = try Inspection(adapter)
        Terminal.report(
          "done",
          "\(path): \(adapter.operations.count.of("operation")), "
            + "\(adapter.tensors.count.of("tensor")), \(ByteCount(file.byteCount)) "
            + "for \(ByteCount(inspection.byteCount))")
        for warning in inspection.warnings { Terminal.report("warning", warning.sentence) }
      }
    } catch {
      throw Failure(error, in: path)
    }
  }

  private func convertToPEFT(_ reference: AdapterReference) throws(Failure) {
    let adapter = try reference.open()
    do throws(InteropError) {
      try PEFTExport.write(adapter, to: FilePath(output), replacing: force)
    } catch {
      throw Failure(error, in: reference.path)
    }
    Terminal.report("done", "\(output): adapter_config.json and adapter_model.safetensors")
  }
}

/// A layout that a user may name.
enum LayoutChoice: String, ExpressibleByArgument, CaseIterable {
  case outIn = "out_in"
  case inOut = "in_out"

  var layout: Layout { self == .outIn ? .outIn : .inOut }
}

/// Refuses an output that is one of the inputs.
func checkDistinct(_ output: String, from inputs: [FilePath]) throws(Failure) {
  guard let target = FileStatus(of: FilePath(output)) else { return }
  for input in inputs {
    guard let status = FileStatus(of: input), status.isSameFile(as: target) else { continue }
    throw Failure(.outputIsInput(FilePath(output)))
  }
}

private func openOutput(_ path: FilePath, force: Bool) throws(FormatError) -> OutputFile {
  do throws(StorageError) {
    return try OutputFile(path, replacing: force)
  } catch {
    throw .storage(error)
  }
}

private func commit(_ file: OutputFile) throws(FormatError) {
  do throws(StorageError) {
    try file.commit()
  } catch {
    throw .storage(error)
  }
}
