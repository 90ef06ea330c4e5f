package import SystemPackage

/// An output that has all its bytes, and not its name yet.
package protocol PendingOutput: AnyObject {
  /// Where it will be, and where it is.
  var target: FilePath { get }
  var temporary: FilePath { get }
  /// True if something may already have the target's name.
  var replaces: Bool { get }
  /// True if it is a file, which takes another's place in one step.
  var isFile: Bool { get }

  /// True if its name is to last when the machine stops; false for a file in a folder that is temporary itself.
  var isDurable: Bool { get }

  /// Gives it its mode and has the disk take its bytes, so that nothing but a rename can fail any more.
  func prepare() throws(StorageError)
  /// Takes it from other processes that may write into it, and looks at what they have left: the last step before it
  /// gets its name. If it fails, all is as before.
  func seal() throws(StorageError)
  /// Takes that back.
  func unseal()
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
        for output in outputs { try output.seal() }
        for output in outputs {
          placed.append(try Placed(output, isAlone: outputs.count == 1))
        }
      } catch {
        for output in placed.reversed() { output.takeBack() }
        for output in outputs { output.unseal() }
        throw error
      }
      for place in placed {
        place.output.settled()
        place.removeReplaced()
      }
    }
    for output in outputs where output.isDurable {
      OutputFile.synchroniseFolder(of: output.target)
    }
  }

  /// An output that has its name, and how it came to it.
  private struct Placed {
    let output: any PendingOutput
    private let replaced: Replaced

    /// Where what had the target's name is.
    private enum Replaced {
      /// Nothing had it, or what had it is gone.
      case nowhere
      /// It has the output's temporary name.
      case exchanged
      case aside(FilePath)
    }

    init(_ output: any PendingOutput, isAlone: Bool) throws(StorageError) {
      self.output = output
      let isThere = output.replaces && FileStatus(ofLink: output.target) != nil
      if isThere, !(isAlone && output.isFile) {
        // What is replaced is kept until all have their names.
        replaced = try Self.exchange(output)
      } else {
        let collision: Platform.Collision = output.replaces && output.isFile ? .replace : .refuse
        try Platform.rename(output.temporary, to: output.target, collision)
        replaced = .nowhere
      }
    }

    private static func exchange(_ output: any PendingOutput) throws(StorageError) -> Replaced {
      do throws(StorageError) {
        try Platform.rename(output.temporary, to: output.target, .exchange)
        return .exchanged
      } catch {
        guard case .system(_, _, let code) = error, Platform.lacksCall(code) else {
          throw error
        }
      }
      // For a moment nothing has the name: that file system offers nothing better.
      let aside = output.target.temporarySibling
      try Platform.rename(output.target, to: aside, .refuse)
      do throws(StorageError) {
        try Platform.rename(output.temporary, to: output.target, .refuse)
      } catch {
        try? Platform.rename(aside, to: output.target, .refuse)
        throw error
      }
      return .aside(aside)
    }

    func takeBack() {
      switch replaced {
      case .nowhere where output.isFile:
        // A removal works where the system would not have one more name.
        Platform.removeFile(output.target)
      case .nowhere: try? Platform.rename(output.target, to: output.temporary, .refuse)
      case .exchanged: try? Platform.rename(output.target, to: output.temporary, .exchange)
      case .aside(let aside):
        try? Platform.rename(output.target, to: output.temporary, .refuse)
        try? Platform.rename(aside, to: output.target, .refuse)
      }
    }

    func removeReplaced() {
      switch replaced {
      case .nowhere: return
      case .exchanged: break
      case .aside(let aside): try? Platform.rename(aside, to: output.temporary, .refuse)
      }
      output.removeReplaced()
    }
  }
}
