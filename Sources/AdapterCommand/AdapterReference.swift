internal import AdapterFormat
internal import AdapterInterop
internal import AdapterRuntime
internal import Operations
internal import Checkpoints
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// An adapter as the command line names it: `FILE`, `FILE#NAME`, `-` for an `.adp` file on standard
/// input, a PEFT folder (or one of its two files), or a safetensors file of tensors that have a meaning
/// of their own. A file whose whole name has a `#` wins over the reading as a name.
struct AdapterReference {
  enum Kind {
    case adp
    case peft
    /// Biases, or a training checkpoint of a soft prompt.
    case tensors
  }

  /// Where it is; for standard input, how messages call that.
  let path: FilePath
  let kind: Kind
  let isStandardInput: Bool
  let name: Name?

  init(_ argument: String) throws(Failure) {
    let whole = FilePath(argument)
    isStandardInput = argument == "-" || argument.hasPrefix("-#")
    if isStandardInput {
      path = StandardInput.name
      name = argument == "-" ? nil : Name(String(argument.dropFirst(2)))
      kind = .adp
      try checkStandardInput()
      return
    }
    if FileStatus(of: whole) == nil, let mark = argument.lastIndex(of: "#") {
      path = FilePath(String(argument[..<mark]))
      name = Name(String(argument[argument.index(after: mark)...]))
    } else {
      path = whole
      name = nil
    }
    kind = Self.kind(of: path)
    if kind != .adp, let name {
      throw Failure("\(path) holds one adapter, and none called \(name)")
    }
  }

  private static func kind(of path: FilePath) -> Kind {
    let name = path.lastComponent?.string ?? ""
    if ["adapter_config.json", "adapter_model.safetensors"].contains(name) { return .peft }
    guard FileStatus(of: path)?.isFolder == true else {
      return name.hasSuffix(".safetensors") ? .tensors : .adp
    }
    let names = (try? Platform.list(path)) ?? []
    let isPEFT = PEFTFolder.isPlausible(path) || names.contains("adapter_model.bin")
    return !isPEFT && names.contains { $0.hasSuffix(".safetensors") } ? .tensors : .peft
  }

  /// The files that it is read from.
  var inputs: [FilePath] {
    if isStandardInput { return [] }
    return kind == .adp
      ? [path] : [path, FileStatus(of: path)?.isFolder == true ? path : path.parent]
  }

  /// The adapter; of a file with several, the one that is named.
  func open() throws(Failure) -> Adapter {
    switch kind {
    case .peft: return try importPEFT()
    case .tensors: return try importTensors(base: nil)
    case .adp: break
    }
    let adapters = try openFile().adapters
    guard adapters.count == 1 else {
      let names = adapters.map(\.name.text).joined(separator: ", ")
      throw Failure("\(path) holds several adapters: \(names)", hint: "name one: \(path)#NAME")
    }
    return adapters[0]
  }

  /// The `.adp` file.
  func openAdapterFile() throws(FormatError) -> AdapterFile {
    try isStandardInput ? AdapterFile.standardInput() : AdapterFile.open(path)
  }

  /// An `.adp` file and its adapters; only the one that is named, where one is.
  func openFile() throws(Failure) -> (file: AdapterFile, adapters: [Adapter]) {
    do throws(FormatError) {
      let file = try openAdapterFile()
      let all = try Adapter.adapters(of: file)
      guard let name else { return (file, all) }
      let chosen = all.filter { $0.name == name }
      guard !chosen.isEmpty else { throw .manifest("no adapter is called \(name)") }
      return (file, chosen)
    } catch {
      throw Failure(error, in: path)
    }
  }

  /// A PEFT folder, with the notes of its conversion reported.
  func importPEFT(_ choices: PEFTImport.Choices = .init()) throws(Failure) -> Adapter {
    do throws(InteropError) {
      let result = try PEFTImport(PEFTFolder(path), choices: choices)
      for note in result.notes { Terminal.report("note", note) }
      return result.adapter
    } catch {
      throw Failure(error, in: path)
    }
  }

  /// Tensors without a configuration that says what they are; biases become differences where there
  /// is a base.
  func importTensors(
    base: Checkpoint?, _ choices: PEFTImport.Choices = .init()
  ) throws(Failure) -> Adapter {
    // Its biases may be differences, and would be taken for values.
    guard !AdapterFolder.holdsTensors(path) else {
      throw Failure(
        "\(path) is of an unpacked adapter", hint: "first: adapter pack FOLDER -o FILE.adp")
    }
    let checkpoint = try rethrowing(as: { Failure($0) }) { () throws(CheckpointError) in
      try Checkpoint(path)
    }
    guard checkpoint.shards.count == 1, let file = checkpoint.shards.first?.file else {
      throw Failure("\(path) is a checkpoint, not an adapter", hint: extractHint)
    }
    do throws(InteropError) {
      if RawEncoder.isIn(file) {
        let result = try RawEncoder(file, choices: choices)
        for note in result.notes { Terminal.report("note", note) }
        return result.adapter
      }
      guard BiasTensors.areAll(file) else {
        throw .notAnAdapter(path, "holds neither biases alone nor a prompt encoder")
      }
      guard let base else { return try BiasTensors(file).adapter }
      return try extracted(from: base, to: checkpoint)
    } catch {
      throw Failure(error, in: path)
    }
  }

  private func extracted(from base: Checkpoint, to tuned: Checkpoint) throws(InteropError)
    -> Adapter
  {
    do {
      return try BiasExtraction(from: base, to: tuned).adapter
    } catch {
      throw .notExpressible("\(error)")
    }
  }

  private var extractHint: String { "to compare it with its base: adapter extract BASE \(path)" }
}
