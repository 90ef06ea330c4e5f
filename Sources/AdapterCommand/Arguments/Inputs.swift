internal import AdapterFormat
internal import AdapterInterop
internal import Checkpoints
internal import Storage
internal import SystemPackage

/// Refuses an output that is one of the inputs, or in the cache of models.
func checkDistinct(_ output: String, from inputs: [FilePath]) throws(Failure) {
  try ModelNames.checkOutside(output)
  try rethrowing(as: { Failure($0) }) { () throws(StorageError) in
    try FilePath(output).checkDistinct(from: inputs)
  }
}

extension FilePath {
  /// A file, or a folder and the files that lie in it.
  var withFiles: [FilePath] {
    withEntries.filter { $0 == self || FileStatus(of: $0)?.isRegular == true }
  }
}

/// Opens a base, no file of which may be the output, where there is one.
func openCheckpoint(_ path: String, notFor output: String? = nil) throws(Failure) -> Checkpoint {
  let checkpoint: Checkpoint
  let path = try ModelNames.path(path)
  do throws(CheckpointError) {
    checkpoint = try Checkpoint(FilePath(path))
  } catch {
    try refuseAdapter(path)
    throw Failure(error)
  }
  // A trainer's folder may hold both, and is a base then.
  if checkpoint.shards.map(\.name) == ["adapter_model.safetensors"] { try refuseAdapter(path) }
  if let output { try checkDistinct(output, from: checkpoint.inputs) }
  return checkpoint
}

extension Checkpoint {
  /// With its quantised parameters decoded; a merge may write codes again.
  func decoded(keepingCodes: Bool = false) throws(Failure) -> Checkpoint {
    do throws(CheckpointError) {
      return try dequantised(keepingCodes: keepingCodes)
    } catch {
      throw Failure(error)
    }
  }
}

/// Refuses an adapter in a base's place.
private func refuseAdapter(_ path: String) throws(Failure) {
  let title: String
  switch try failing(FilePath(path), { try PathContents(of: FilePath(path)) }) {
  case .adapterFile: title = "an .adp file"
  case .foreign(let format): title = format.title
  case .checkpoint, .unpackedAdapter, .unpackedTensors, .stranger: return
  }
  throw Failure(
    "\(path) is \(title), not a base", hint: "the base comes first, then its adapters")
}

/// Refuses to wait for a person to type an `.adp` file.
func checkStandardInput() throws(Failure) {
  guard StandardInput.isTerminal else { return }
  throw Failure(
    "standard input is a terminal", hint: "pipe an .adp file into it, or name the file")
}

extension AdapterFile {
  /// The file that comes by standard input. It is read once, at the first use; who asks again gets the same bytes.
  static func standardInput() throws(FormatError) -> AdapterFile {
    try AdapterFile(try standardInputBytes.get())
  }

  /// Of a pipe no more is copied than an adapter may be long, and of one that begins as no `.adp` file does, its
  /// beginning alone.
  private static let standardInputBytes = Result { () throws(FormatError) in
    try rethrowing(as: FormatError.storage) { () throws(StorageError) in
      try File(
        reading: .standardInput, calledAs: StandardInput.name, limit: 32 << 30,
        while: Envelope.accepts)
    }
  }
}
