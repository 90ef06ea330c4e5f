internal import AdapterFormat
internal import AdapterInterop
internal import AdapterRuntime
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// An adapter as the command line names it: `FILE`, `FILE#NAME`, `-` for an `.adp` file on standard
/// input, or a path that holds an adapter of another format. A file whose whole name has a `#` wins over the
/// reading as a name.
struct AdapterReference {
  /// Where it is; for standard input, how messages call that.
  let path: FilePath
  let contents: PathContents
  let isStandardInput: Bool
  let name: Name?

  init(_ argument: String) throws(Failure) {
    let whole = FilePath(argument)
    isStandardInput = argument == "-" || argument.hasPrefix("-#")
    if isStandardInput {
      path = StandardInput.name
      name = argument == "-" ? nil : Name(String(argument.dropFirst(2)))
      contents = .adapterFile
      try checkStandardInput()
      return
    }
    if FileStatus(of: whole) == nil, let mark = argument.lastIndex(of: "#") {
      path = FilePath(try ModelNames.path(String(argument[..<mark])))
      name = Name(String(argument[argument.index(after: mark)...]))
    } else {
      path = FilePath(try ModelNames.path(argument))
      name = nil
    }
    let path = path
    contents = try failing(path) {
      try PathContents(of: path)
    }
  }

  /// True if it is read as an `.adp` file: it is one, or a file of no other kind; the reader then says why it is not
  /// one.
  var isAdapterFile: Bool {
    switch contents {
    case .adapterFile: true
    case .stranger: FileStatus(of: path)?.isFolder != true
    case .unpackedAdapter, .unpackedTensors, .foreign, .checkpoint: false
    }
  }

  /// True of PEFT's format, whose two files come back byte for byte.
  var isOfPEFT: Bool { contents.format?.name == Formats.peft.name }

  /// The files that it is read from.
  var inputs: [FilePath] {
    if isStandardInput { return [] }
    let standsAlone = (contents.format as? any WritableFormat)?.suffix != nil
    return isAdapterFile || standsAlone
      ? [path] : [path, FileStatus(of: path)?.isFolder == true ? path : path.parent]
  }

  /// The paths that hold its values. Users who may not read them may not read the results made of them.
  var sources: [FilePath] {
    isStandardInput ? [] : path.withFiles
  }

  /// The adapter; of a file with several, the one that is named. Some foreign ones need the base to be understood.
  func open(for base: ImportBase? = nil) throws(Failure) -> Adapter {
    let adapters = try openAll(for: base).adapters
    guard adapters.count == 1 else {
      let names = adapters.map(\.name.text).joined(separator: ", ")
      throw Failure("\(path) holds several adapters: \(names)", hint: "name one: \(path)#NAME")
    }
    return adapters[0]
  }

  /// All adapters, or the one that is named, and the `.adp` file that they are in, where they are in one. Without a
  /// base, names that only it translates may stay as they are.
  func openAll(
    for base: ImportBase? = nil, keepsForeignNames: Bool = false
  ) throws(Failure) -> (file: AdapterFile?, adapters: [Adapter]) {
    guard !isAdapterFile else { return try openFile() }
    var choices = base?.choices(path) ?? .looking
    choices.keepsForeignNames = keepsForeignNames
    return (nil, [try openForeign(choices).adapter])
  }

  /// The `.adp` file.
  func openAdapterFile() throws(FormatError) -> AdapterFile {
    try isStandardInput ? AdapterFile.standardInput() : AdapterFile.open(path)
  }

  /// An `.adp` file and its adapters; only the one that is named, where one is.
  func openFile() throws(Failure) -> (file: AdapterFile, adapters: [Adapter]) {
    let (file, all) = try rethrowing(as: { Failure($0, in: path) }) { () throws(FormatError) in
      let file = try openAdapterFile()
      return (file, try Adapter.adapters(of: file))
    }
    guard let name else { return (file, all) }
    let chosen = all.filter { $0.name == name }
    guard chosen.isEmpty else { return (file, chosen) }
    let names = all.prefix(5).map(\.name.text).joined(separator: ", ")
    throw Failure(
      "\(path): no adapter is called \(name): it holds \(names)"
        + (all.count > 5 ? " and \(all.count - 5) more" : ""))
  }
}

// MARK: - Other formats

extension AdapterReference {
  /// An adapter of another format, with the notes of its conversion reported. Where the base is given, tuned values
  /// become differences.
  func openForeign(
    _ choices: ImportChoices = .looking, base: Checkpoint? = nil
  ) throws(Failure) -> ForeignImport {
    switch contents {
    case .foreign(let format): return try read(format, choices)
    case .checkpoint(let format): return try openCheckpoint(standingFor: format, choices, base)
    // Its biases may be differences, and would be taken for values.
    case .unpackedAdapter, .unpackedTensors:
      throw Failure(
        "\(path) is of an unpacked adapter", hint: "first: adapter pack FOLDER -o FILE.adp")
    case .adapterFile, .stranger:
      throw Failure("\(path) holds no adapter of a known format", hint: contents.hint)
    }
  }

  /// A checkpoint that stands for an adapter.
  private func openCheckpoint(
    standingFor format: (any ForeignFormat)?, _ choices: ImportChoices, _ base: Checkpoint?
  ) throws(Failure) -> ForeignImport {
    let checkpoint = try rethrowing(as: { Failure($0) }) { () throws(CheckpointError) in
      try Checkpoint(path)
    }
    guard checkpoint.shards.count == 1 else {
      throw Failure(
        "\(path) is a checkpoint, not an adapter",
        hint:
          "the base comes first, then its adapters; what it changed of a base: adapter extract BASE \(path)"
      )
    }
    guard let format else {
      let titles = Formats.all.filter(\.isCheckpoint).map(\.title).joined(separator: " nor ")
      throw Failure(
        "\(path) is a checkpoint, not an adapter: it holds neither \(titles)",
        hint: "the base comes first, then its adapters")
    }
    guard let base, format.holdsTunedValues else { return try read(format, choices) }
    do {
      return try ForeignImport(try BiasExtraction(from: base, to: checkpoint).adapter)
    } catch {
      throw Failure(error, in: path)
    }
  }

  private func read(
    _ format: any ForeignFormat, _ choices: ImportChoices
  ) throws(Failure) -> ForeignImport {
    let imported = try failing(path) {
      var choices = choices
      choices.adapter = name
      return try format.read(ForeignSource(path), choices)
    }
    if let name, imported.adapter.name != name {
      throw Failure("\(path) holds one adapter, and none called \(name)")
    }
    for note in imported.notes { Terminal.report("note", note) }
    return imported
  }
}

extension PathContents {
  /// True if a command that also takes checkpoints takes it as one; a folder of no known kind is one without weights.
  var isCheckpoint: Bool {
    switch self {
    case .checkpoint, .unpackedAdapter, .unpackedTensors: true
    case .stranger(.folder): true
    case .adapterFile, .foreign, .stranger: false
    }
  }

  /// The format, of an adapter in another.
  var format: (any ForeignFormat)? { if case .foreign(let format) = self { format } else { nil } }
}

extension Adapter {
  /// Inspects it, by its own numbers and by the format it came from.
  func inspected() throws(FormatError) -> Inspection {
    try Inspection(self, doubts: Formats.doubts(about: self))
  }
}

extension ImportChoices {
  /// For an adapter that is only looked at.
  static var looking: ImportChoices {
    var choices = ImportChoices()
    choices.isKept = false
    return choices
  }
}
