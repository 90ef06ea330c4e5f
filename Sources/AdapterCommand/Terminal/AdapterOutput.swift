internal import AdapterFormat
internal import Operations
internal import Storage
internal import SystemPackage

/// Where an `.adp` file goes: to a file that appears whole or not at all, or by `-` to standard output,
/// whose readers refuse what has no end.
struct AdapterOutput {
  let path: FilePath
  private let place: Place

  private enum Place {
    case file(OutputFile)
    case stream(StandardOutput)
  }

  /// Returns true if the argument is `-`, which stands for standard output.
  static func isStandardOutput(_ argument: String) -> Bool { argument == "-" }

  /// - Parameters:
  ///   - argument: the path, or `-`.
  ///   - replacing: whether a file that is there may be replaced.
  ///   - sources: what it is made of: who may not read these may not read the file.
  /// - Throws: `Failure` where it cannot be written.
  init(_ argument: String, replacing: Bool, from sources: [FilePath]) throws(Failure) {
    guard !Self.isStandardOutput(argument) else {
      path = "standard output"
      guard !StandardOutput.isTerminal else {
        throw Failure(
          "an .adp file is not for a terminal", hint: "name a file, or send it on: … -o - > FILE")
      }
      place = .stream(StandardOutput())
      return
    }
    try OutputSuffix.check(argument, for: ".adp")
    let path = FilePath(argument)
    self.path = path
    place = .file(
      try rethrowing(as: { Failure($0) }) { () throws(StorageError) in
        try OutputFile(path, replacing: replacing, inputs: sources)
      })
  }

  var sink: any ByteSink {
    switch place {
    case .file(let file): file
    case .stream(let stream): stream
    }
  }

  /// Gives a file its name, and says what is in it.
  ///
  /// - Parameter adapters: what was written.
  /// - Throws: `Failure` where the file cannot get its name.
  func finish(_ adapters: [Adapter]) throws(Failure) {
    do throws(FormatError) {
      switch place {
      case .stream(let stream):
        try summary(adapters, byteCount: stream.byteCount).report()
      case .file(let file):
        // Read back first: an error after the file has its name would be one of a file that is there.
        let written = try AdapterFile(
          rethrowing(as: FormatError.storage) { () throws(StorageError) in try file.written() })
        let summary = try summary(Adapter.adapters(of: written), byteCount: written.byteCount)
        try rethrowing(as: FormatError.storage) { () throws(StorageError) in try file.commit() }
        summary.report()
      }
    } catch {
      throw Failure(error, in: path)
    }
  }

  /// The messages about a file that is done.
  private struct Summary {
    let text: String
    let warnings: [String]

    func report() {
      Terminal.report("done", text)
      for warning in warnings { Terminal.report("warning", warning) }
    }
  }

  private func summary(
    _ adapters: [Adapter], byteCount: UInt64
  ) throws(FormatError) -> Summary {
    var (operations, tensors, bytes) = (0, 0, 0)
    var warnings: [String] = []
    for adapter in adapters {
      let inspection = try adapter.inspected()
      operations += adapter.operations.count
      tensors += adapter.tensors.count
      bytes += inspection.byteCount
      let prefix = adapters.count == 1 ? "" : "adapter \(adapter.name): "
      warnings += inspection.warnings.map { prefix + $0.sentence }
    }
    return Summary(
      text: "\(path): " + (adapters.count == 1 ? "" : "\(adapters.count.of("adapter")), ")
        + "\(operations.of("operation")), \(tensors.of("tensor")), \(ByteCount(byteCount)) "
        + "for \(ByteCount(bytes))",
      warnings: warnings)
  }
}

/// Writes an adapter as an `.adp` file and says what is in it.
func write(
  _ adapter: Adapter, metadata: [Manifest.MetadataEntry] = [], to output: String,
  replacing: Bool, from sources: [FilePath], level: CompressionLevel = .default
) throws(Failure) {
  let output = try AdapterOutput(output, replacing: replacing, from: sources)
  do throws(FormatError) {
    try Adapter.write([adapter], metadata: metadata, to: output.sink, level: level)
  } catch {
    throw Failure(error, in: output.path)
  }
  try output.finish([adapter])
}
