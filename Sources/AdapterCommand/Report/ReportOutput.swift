internal import Storage
internal import SystemPackage

/// Writes a report as one HTML file.
func write(_ page: ReportPage, to output: String, replacing: Bool) throws(Failure) {
  let text = try rethrowing(as: { Failure($0.description) }) { () throws(ReportError) in
    try page.render()
  }
  try rethrowing(as: { Failure($0) }) { () throws(StorageError) in
    let file = try OutputFile(FilePath(output), replacing: replacing)
    try file.write(Array(text.utf8))
    try file.commit()
  }
  Terminal.report("done", "\(output): \(ByteCount(text.utf8.count))")
}
