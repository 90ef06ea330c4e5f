internal import AdapterFormat
internal import AdapterInterop
internal import Operations
internal import ArgumentParser
internal import Storage
internal import SystemPackage

/// `adapter pack`.
struct PackCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pack",
    abstract: "Make an .adp file from a folder or several .adp files, or edit metadata.",
    usage: "adapter pack <inputs> ... -o <output> [<options>]",
    discussion: """
      A folder holds manifest.json and tensors.safetensors (Spec/folder.md); unpack or any program can \
      make one. Adapters of .adp files are copied as stored, unless --level is given. They must be for \
      the same base.

      Examples:
        adapter pack folder -o lora.adp
        adapter pack lora.adp -o licensed.adp --license apache-2.0 --tag poetry
        adapter pack lora.adp -o smaller.adp --level max
        adapter pack french.adp german.adp -o languages.adp
        adapter pack fr=french.adp de=german.adp#default -o languages.adp
      """)

  @Argument(
    help: """
      A folder; or .adp files, each FILE, FILE#ADAPTER, NAME=FILE to rename, or - for standard input.
      """, completion: .file())
  var inputs: [String]

  @Option(
    name: .shortAndLong, help: "The .adp file to write, or - for standard output.",
    completion: .file(extensions: ["adp"]))
  var output: String

  @OptionGroup(title: "Metadata")
  var metadata: MetadataOptions

  @Option(help: "Compression level. Every reader reads every level.")
  var level: LevelChoice?

  @Flag(help: "Replace an existing file.")
  var force = false

  func run() throws {
    var inputs: [PackInput] = []
    for argument in self.inputs { inputs.append(try PackInput(argument)) }
    if inputs.count == 1, case .folder(let path) = inputs[0] { return try pack(path) }
    var members: [AdapterBundle.Member] = []
    var sources: [FilePath] = []
    for input in inputs {
      guard case .adapter(let reference, _) = input else {
        throw ValidationError("a folder is packed alone; its .adp file can go with others")
      }
      try checkDistinct(output, from: reference.inputs)
      members += try input.members()
      sources += reference.sources
    }
    if level == nil, let file = whole(inputs, members) {
      try rewrite(file, members, from: sources)
    } else {
      try bundle(members, from: sources)
    }
  }

  private func pack(_ path: FilePath) throws(Failure) {
    let folder = try failing(path) {
      try AdapterFolder(path)
    }
    try checkDistinct(output, from: folder.inputs)
    metadata.reportMissing(in: folder.metadata)
    try write(folder.adapters, from: folder.inputs.flatMap(\.withFiles)) { sink throws(Failure) in
      try failing(path) {
        try folder.write(metadata.edit, to: sink, level: (level ?? .default).level)
      }
    }
  }

  /// The file, where all of one is taken as it is: then only its metadata can change.
  private func whole(
    _ inputs: [PackInput], _ members: [AdapterBundle.Member]
  ) -> AdapterFile? {
    guard inputs.count == 1, let file = members.first?.file else { return nil }
    return members.map(\.name) == file.manifest.adapters.map(\.name) ? file : nil
  }

  private func rewrite(
    _ file: AdapterFile, _ members: [AdapterBundle.Member], from sources: [FilePath]
  ) throws(Failure) {
    metadata.reportMissing(in: file.manifest.metadata)
    let path = FilePath(members.first?.label ?? output)
    let adapters = try rethrowing(as: { Failure($0, in: path) }) { () throws(FormatError) in
      try Adapter.adapters(of: file)
    }
    try write(adapters, from: sources) { sink throws(Failure) in
      try rethrowing(as: { Failure($0, in: path) }) { () throws(FormatError) in
        try file.rewrite(metadata.edit, to: sink)
      }
    }
  }

  private func bundle(
    _ members: [AdapterBundle.Member], from sources: [FilePath]
  ) throws(Failure) {
    let output = FilePath(output)
    let bundle = try rethrowing(as: { Failure($0, in: output) }) { () throws(BundleError) in
      try AdapterBundle(members, metadata.edit)
    }
    let adapters = try bundle.members.map { member throws(Failure) in try adapter(of: member) }
    for note in bundle.notes { Terminal.report("note", note) }
    metadata.reportMissing(in: members.flatMap(\.file.manifest.metadata))
    try write(adapters, from: sources) { sink throws(Failure) in
      try rethrowing(as: { Failure($0, in: output) }) { () throws(BundleError) in
        try bundle.write(to: sink, level: level?.level, generator: "adapter \(toolVersion)")
      }
    }
  }

  /// A member as it will be called, the rules of its operations checked.
  private func adapter(of member: AdapterBundle.Member) throws(Failure) -> Adapter {
    var adapter = try rethrowing(as: { Failure($0, in: FilePath(member.label)) }) {
      () throws(FormatError) in try Adapter(member.file, index: member.index)
    }
    adapter.name = member.name
    return adapter
  }

  private func write(
    _ adapters: [Adapter], from sources: [FilePath],
    _ body: (any ByteSink) throws(Failure) -> Void
  ) throws(Failure) {
    let output = try AdapterOutput(output, replacing: force, from: sources)
    try body(output.sink)
    try output.finish(adapters)
  }
}
