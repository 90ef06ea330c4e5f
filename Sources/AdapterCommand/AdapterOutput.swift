internal import AdapterFormat
internal import Adapters
internal import Storage
internal import SystemPackage

/// Writes an adapter as an `.adp` file and says what is in it.
func write(_ adapter: Adapter, to output: String, replacing: Bool) throws(Failure) {
  let path = FilePath(output)
  do throws(FormatError) {
    let file = try rethrowing(as: FormatError.storage) { () throws(StorageError) in
      try OutputFile(path, replacing: replacing)
    }
    try Adapter.write([adapter], to: file)
    try rethrowing(as: FormatError.storage) { () throws(StorageError) in try file.commit() }
    try report(path)
  } catch {
    throw Failure(error, in: path)
  }
}

private func report(_ path: FilePath) throws(FormatError) {
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
}
