package import SystemPackage

/// An output that has all its bytes, and not its name yet.
package protocol PendingOutput: AnyObject {
  /// Where it will be, and where it is.
  var target: FilePath { get }
  var temporary: FilePath { get }
  /// Whether something may have the target's name.
  var replaces: Bool { get }
  /// Whether it is a file, which takes another's place in one step.
  var isFile: Bool { get }

  /// Gives it its mode and has the disk take its bytes, so that nothing but a rename can fail any more.
  func prepare() throws(StorageError)
  /// Removes what had the target's name, which has the temporary one now.
  func removeReplaced()
  /// It has its name: nothing of it is temporary any more.
  func settled()
}

/// Outputs of one command, of which all appear or none.
package enum Outputs {
  /// Gives outputs their names, in their order: if one cannot have its own, those before it give theirs back.
  ///
  /// Between the first rename and the last no signal is heard; a process that is killed there leaves the first ones alone.
  ///
  /// - Throws: `StorageError` where that cannot be; then the targets are as they were.
  package static func commit(_ outputs: [any PendingOutput]) throws(StorageError) {
    for output in outputs { try output.prepare() }
    try TemporaryPaths.settle(outputs.map(\.temporary)) { () throws(StorageError) in
      var placed: [Placed] = []
      do throws(StorageError) {
        for output in outputs {
          placed.append(try Placed(output, isAlone: outputs.count == 1))
        }
      } catch {
        for output in placed.reversed() { output.takeBack() }
        throw error
      }
      for place in placed {
        place.output.settled()
        if place.hasExchanged { place.output.removeReplaced() }
      }
    }
    for output in outputs { OutputFile.synchroniseFolder(of: output.target) }
  }

  /// An output that has its name, and how it came to it.
  private struct Placed {
    let output: any PendingOutput
    let hasExchanged: Bool

    init(_ output: any PendingOutput, isAlone: Bool) throws(StorageError) {
      self.output = output
      let isThere = output.replaces && FileStatus(ofLink: output.target) != nil
      // What is replaced is kept until all have their names. Not every file system can exchange two.
      if isThere, !(isAlone && output.isFile) {
        do throws(StorageError) {
          try Platform.rename(output.temporary, to: output.target, .exchange)
          hasExchanged = true
          return
        } catch {
          guard output.isFile, case .system(_, _, let code) = error,
            [.invalidArgument, .notSupported, .noFunction].contains(code)
          else { throw error }
        }
      }
      hasExchanged = false
      try Platform.rename(
        output.temporary, to: output.target, output.replaces && output.isFile ? .replace : .refuse)
    }

    func takeBack() {
      if hasExchanged {
        try? Platform.rename(output.target, to: output.temporary, .exchange)
      } else if output.isFile {
        // A removal works where the system would not have one more name.
        Platform.removeFile(output.target)
      } else {
        try? Platform.rename(output.target, to: output.temporary, .refuse)
      }
    }
  }
}
