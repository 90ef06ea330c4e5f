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

  func validate() throws {
    guard base != nil || layout == nil else {
      throw ValidationError("--layout has no effect without --base")
    }
  }

  func run() throws {
    let reference = try AdapterReference(source)
    try checkDistinct(output, from: reference.inputs)
    switch reference.kind {
    case .peft: try convertToADP(reference)
    case .adp:
      guard base == nil, ignoreField.isEmpty else {
        throw ValidationError("--base, --layout and --ignore-field have no effect on an .adp file")
      }
      try convertToPEFT(reference)
    }
  }

  private func convertToADP(_ reference: AdapterReference) throws(Failure) {
    var adapter = try reference.importPEFT(ignoredFields: ignoreField)
    if let base { adapter = try bind(adapter, to: base) }
    do throws(FormatError) {
      let file = try rethrowing(as: FormatError.storage) { () throws(StorageError) in
        try OutputFile(FilePath(output), replacing: force)
      }
      try Adapter.write([adapter], to: file)
      try rethrowing(as: FormatError.storage) { () throws(StorageError) in try file.commit() }
    } catch {
      throw Failure(error, in: reference.path)
    }
    try reportResult()
  }

  /// Records what the base decides: names, layouts, and its fingerprint.
  private func bind(_ adapter: Adapter, to base: String) throws(Failure) -> Adapter {
    let checkpoint = try openCheckpoint(base, notFor: output)
    do throws(RuntimeError) {
      let bound = try BoundAdapter(adapter, to: checkpoint, userLayout: layout?.layout)
      for note in bound.notes { Terminal.report("note", note) }
      return try bound.recordingBase(checkpoint)
    } catch {
      throw Failure(error, adapter: FilePath(base))
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
