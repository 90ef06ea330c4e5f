internal import ArgumentParser
internal import Storage
internal import SystemPackage

/// The options of a command that can write its answer as a page to look at.
struct ReportOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Write a report for the browser to this file.", valueName: "file"),
    completion: .file(extensions: ["html"]))
  var html: String?

  @Flag(help: "Replace an existing report.")
  var force = false

  var isWanted: Bool { html != nil }

  /// Refuses a report that would replace an input, a file of the base, or what is there, before the work
  /// that it takes.
  func check(inputs: [FilePath], base: String? = nil) throws(Failure) {
    guard let html else { return }
    guard html != "-" else { throw Failure("a report is a file of its own, not -") }
    try checkDistinct(html, from: inputs)
    guard force || FileStatus(ofLink: FilePath(html)) == nil else {
      throw Failure(.outputExists(FilePath(html)))
    }
    if let base { _ = try openCheckpoint(base, notFor: html) }
  }

  /// Writes the page, if one is wanted, and gives it its name when the answer on standard output is written too.
  ///
  /// - Parameters:
  ///   - sources: what it tells of: who may not read these may not read the page.
  ///   - page: the page.
  ///   - json: the answer for programs, if that is wanted as well.
  /// - Throws: `Failure` where it cannot be written.
  func write(
    from sources: [FilePath], _ page: @autoclosure () -> ReportPage, json: String?
  ) throws(Failure) {
    guard let html else { return }
    let text = page().html
    try rethrowing(as: { Failure($0) }) { () throws(StorageError) in
      let file = try OutputFile(FilePath(html), replacing: force, inputs: sources)
      try file.write(Array(text.utf8))
      if let json { Terminal.announce(json) }
      try file.commit()
    }
    Terminal.report("done", "\(html): \(ByteCount(text.utf8.count))")
  }
}
