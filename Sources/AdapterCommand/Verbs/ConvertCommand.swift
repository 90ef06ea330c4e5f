internal import AdapterFormat
internal import AdapterInterop
internal import AdapterRuntime
internal import Operations
internal import ArgumentParser
internal import Checkpoints
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// `adapter convert`.
struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Convert an adapter from one format to another.",
    usage: "adapter convert <source> [-o <output>] [--base <base>] [<options>]",
    discussion: """
      The format of SOURCE is told by its contents. Without --to it becomes .adp, and an .adp file \
      becomes a PEFT folder; -o FILE.gguf says the format as well. Without -o the output is named \
      after SOURCE, in the working folder; an existing file is never replaced.

      From .adp to PEFT, the two original files come back byte for byte. Everything else is written \
      from what the adapter does. If the format has no place for a part of that, nothing is written: \
      --allow-loss leaves the part out, and says so.

      With --base, the .adp file also records samples of the base, which recognise it later, and how it \
      stores its weights. GGUF needs the base in both directions, kohya to be read.

      SOURCE may also be a safetensors file: the biases of a fine-tuned model (BitFit), or a training \
      checkpoint with the encoder of a soft prompt, beside its adapter_config.json.

      Examples:
        adapter convert path/to/peft-adapter
        adapter convert path/to/peft-adapter -o lora.adp --base path/to/model
        adapter convert path/to/peft-adapter -o small.adp --level max
        adapter convert lora.adp -o path/to/peft-adapter
        adapter convert style.safetensors --to diffusers -o lora.safetensors
      """)

  @Argument(
    help: """
      An adapter of any format, or an .adp file (FILE#NAME for one of several adapters, - for standard \
      input).
      """, completion: .file())
  var source: String

  @Option(
    name: .shortAndLong,
    help: "The file or folder to write; - writes an .adp file to standard output.",
    completion: .file())
  var output: String?

  @Option(help: ArgumentHelp("The format to write.", valueName: "format"))
  var to: FormatChoice?

  @Option(
    help: "The base model: a safetensors file, or a folder or index of shards.",
    completion: .file())
  var base: String?

  @Option(help: "Record this name of the base, such as ORGANISATION/NAME.")
  var baseName: String?

  @Option(help: "Layout to assume for square weights when the base does not show it.")
  var layout: LayoutChoice?

  @Option(help: NamePair.help)
  var map: [NamePair] = []

  @Option(
    help: ArgumentHelp(
      "Ignore this unknown field of adapter_config.json.", valueName: "field"))
  var ignoreField: [String] = []

  @Option(help: PatternChoice.help)
  var drop: [PatternChoice] = []

  @Option(help: "Key/value order of a BLOOM prefix whose file does not record it.")
  var prefixOrder: PrefixOrderChoice?

  @Option(
    help: ArgumentHelp(
      "The part of a pipeline that the adapter changes, where its names do not say so.",
      valueName: "component"))
  var component: ComponentChoice?

  @Option(help: "Compression level of an .adp file. Every reader reads every level.")
  var level: LevelChoice?

  @Flag(help: "Leave out what the output format cannot hold, though the effect changes.")
  var allowLoss = false

  @Flag(help: "Replace an existing output.")
  var force = false

  @Flag(help: "Print the result as JSON.")
  var json = false

  func validate() throws {
    guard base != nil || (layout == nil && map.isEmpty) else {
      throw ValidationError("--layout and --map have no effect without --base")
    }
    guard output != nil || !force else {
      throw ValidationError("--force replaces what --output names, and that is missing")
    }
    guard !json || output != "-" else {
      throw ValidationError("--json and the .adp file cannot both go to standard output")
    }
  }

  func run() throws {
    let reference = try AdapterReference(source)
    if let output { try checkDistinct(output, from: reference.inputs) }
    let format = to ?? usualFormat(of: reference)
    let checkpoint: Checkpoint? =
      if let base { try openCheckpoint(base, notFor: output).decoded() } else { nil }
    let source = try open(
      reference, checkpoint, recordsDigest: format.isOurs || json || reference.isOfPEFT)
    let adapter = source.adapter
    try checkOptions(reference, format)
    let output = try output ?? DefaultOutput.conversion(of: reference, suffix: format.suffix)
    let losses: [ForeignExport.Loss]
    switch format {
    case .adp:
      try write(source, checkpoint, to: output, from: reference)
      losses = []
    case .foreign(let format):
      losses = try export(source, to: format, output, checkpoint, from: reference)
    }
    guard json else { return }
    let report = ConversionReport(
      source: reference, output: output, format: format.name, adapter: adapter, losses: losses)
    Terminal.write(try failing(reference.path) { try report.json() })
  }

  /// The format that the output's name shows, or the other way of the two that are usual.
  private func usualFormat(of reference: AdapterReference) -> FormatChoice {
    if let output, let format = Formats.written(as: output) { return .foreign(format) }
    return reference.isAdapterFile ? .foreign(Formats.peft) : .adp
  }

  private func write(
    _ source: ForeignImport, _ checkpoint: Checkpoint?, to output: String,
    from reference: AdapterReference
  ) throws {
    if let checkpoint { MergedCard.reportEarlier(of: checkpoint) }
    var adapter = try checkpoint.map { try bind(source.adapter, to: $0) } ?? source.adapter
    let card = try SourceCard(of: adapter, at: reference.path)
    adapter.base = card.base(baseName, checkpoint)
    if baseName == nil, let base, let model = try ModelNames.model(base) {
      adapter.base?.name = model.name
      adapter.base?.revision = model.commit
    }
    if baseName == nil, let name = adapter.base?.name, BaseRecord.isPath(name) {
      Terminal.report(
        "warning",
        "the base is recorded as \(name), a path on one machine: --base-name gives it a name")
    }
    try AdapterCommand.write(
      adapter, metadata: source.metadata.adding(card.metadata), to: output, replacing: force,
      from: reference.sources,
      level: (level ?? .default).level)
  }

  private func open(
    _ reference: AdapterReference, _ base: Checkpoint?, recordsDigest: Bool
  ) throws(Failure) -> ForeignImport {
    guard !reference.isAdapterFile else {
      let adapter = try reference.open()
      return try rethrowing(as: { Failure($0, in: reference.path) }) { () throws(FormatError) in
        try ForeignImport(adapter, metadata: adapter.file?.file.manifest.metadata ?? [])
      }
    }
    let source = try reference.openForeign(
      importChoices(reference.path, base, recordsDigest: recordsDigest), base: base)
    try drop.map(\.pattern).check([source.adapter])
    return source
  }

  private func checkOptions(_ reference: AdapterReference, _ format: FormatChoice) throws {
    if reference.isAdapterFile {
      guard baseName == nil, ignoreField.isEmpty, drop.isEmpty, prefixOrder == nil else {
        throw ValidationError(
          "--base-name, --ignore-field, --drop and --prefix-order have no effect on an .adp file")
      }
      guard base == nil || format.usesBase else {
        throw ValidationError("--base has no effect on \(format.name) made of an .adp file")
      }
      guard case .foreign = format else {
        throw ValidationError(
          "\(reference.path) is an .adp file: adapter pack copies and edits it")
      }
    }
    guard format.isOurs || (level == nil && baseName == nil) else {
      throw ValidationError("--level and --base-name have no effect on what is not written as .adp")
    }
  }

  /// The choices for binding; decisions that only a merge has to make are left open.
  private var bindingChoices: BindingChoices {
    .init(layout: layout?.layout, names: map.names, missingBias: .create, ties: .untie)
  }

  private func importChoices(
    _ path: FilePath, _ base: Checkpoint?, recordsDigest: Bool
  ) -> ImportChoices {
    let answers = base.map { ImportBase(checkpoint: $0, binding: bindingChoices).choices(path) }
    var choices = answers ?? ImportChoices()
    choices.ignoredFields = ignoreField.map { Name($0) }
    choices.prefixOrder = prefixOrder?.order
    choices.dropped = drop.map(\.pattern)
    choices.component = component?.component
    choices.isKept = true
    choices.recordsDigest = recordsDigest
    return choices
  }

  /// Records what the base decides: names, layouts, and its fingerprint.
  private func bind(_ adapter: Adapter, to checkpoint: Checkpoint) throws(Failure) -> Adapter {
    do {
      let bound = try BoundAdapter(
        adapter, to: checkpoint, choices: bindingChoices)
      for note in bound.notes { Terminal.report("note", note) }
      return try bound.recordingBase(checkpoint)
    } catch {
      throw Failure(error, in: checkpoint.path)
    }
  }

  private func export(
    _ source: ForeignImport, to format: any WritableFormat, _ output: String, _ base: Checkpoint?,
    from reference: AdapterReference
  ) throws -> [ForeignExport.Loss] {
    guard !AdapterOutput.isStandardOutput(output) else {
      throw ValidationError("\(format.title) cannot go to standard output: name it")
    }
    try OutputSuffix.check(output, for: format.suffix)
    let export = try failing(reference.path) {
      var choices = ExportChoices(base: base, component: component?.component)
      choices.metadata = source.metadata
      let export = try format.export(source.adapter, choices)
      try export.write(
        to: FilePath(output), replacing: force, allowingLoss: allowLoss,
        inputs: reference.sources + (base?.sources ?? []))
      return export
    }
    report(export, of: source)
    Terminal.report(
      "done",
      "\(output): "
        + (format.suffix == nil
          ? export.names.joined(separator: ", ")
          : "\(source.adapter.operations.count.of("operation")), \(ByteCount(FileStatus(of: FilePath(output))?.size ?? 0))")
    )
    return export.losses
  }

  /// Says what is lost, and what else a user should know.
  private func report(_ export: ForeignExport, of source: ForeignImport) {
    for note in export.notes + export.lossNotes { Terminal.report("note", note) }
    let keys = source.metadata.map(\.key).filter { !export.carriedKeys.contains($0) }
    if !keys.isEmpty {
      let shown = keys.prefix(5).map(\.text).joined(separator: ", ")
      let rest = keys.count > 5 ? " and \(keys.count - 5) more" : ""
      Terminal.report("note", "not carried: \(shown)\(rest) of the file's metadata")
    }
    for loss in export.losses where loss.kind == .file {
      Terminal.report("warning", "not written: \(loss.reason)")
    }
    for loss in export.losses where loss.kind == .effect {
      let error = InteropError(loss)
      Terminal.report("warning", "lost: \(error)")
    }
  }
}

extension ForeignExport {
  /// Notes on the losses that do not change what the adapter does, kind by kind.
  fileprivate var lossNotes: [String] {
    [(Loss.Kind.rounding, "rounded"), (.record, "not carried")].flatMap { kind, word in
      losses.filter { $0.kind == kind }.map(\.reason).grouped.map { reason, count in
        "\(word): \(reason)" + (count > 1 ? " (\(count) times)" : "")
      }
    }
  }
}

extension [Manifest.MetadataEntry] {
  /// With entries of other keys after them.
  fileprivate func adding(_ others: Self) -> Self {
    self + others.filter { other in !contains { $0.key == other.key } }
  }
}

extension [String] {
  /// Each text once, in the order of first appearance, and how often it is there.
  fileprivate var grouped: [(text: String, count: Int)] {
    var counts: [String: Int] = [:]
    var order: [String] = []
    for text in self {
      if counts.updateValue(counts[text, default: 0] + 1, forKey: text) == nil {
        order.append(text)
      }
    }
    return order.map { ($0, counts[$0] ?? 0) }
  }
}
