package import SystemPackage

/// Folders that jobs have left beside an output, unfinished: another version's, or with other inputs or options than now.
package enum AbandonedFolders {
  /// The folders of one kind of job beside an output, in which there is anything.
  ///
  /// - Parameters:
  ///   - kind: how the tags of such jobs begin.
  ///   - target: the output.
  ///   - tag: the tag of the job that is not abandoned.
  ///   - isInUseToo: whether those are given too that a process is at work on.
  /// - Returns: their paths, sorted; none that cannot be looked for.
  package static func all(
    ofKind kind: String, beside target: FilePath, but tag: String? = nil,
    withThoseInUse isInUseToo: Bool = false
  ) -> [FilePath] {
    let start = target.temporaryStart + kind
    let own = tag.map { target.temporarySibling(tag: $0) }
    let names = (try? Platform.list(target.parent)) ?? []
    return names.filter { name in
      guard name.hasPrefix(start), name.hasSuffix(".tmp") else { return false }
      let digits = name.utf8.dropFirst(start.utf8.count).dropLast(".tmp".utf8.count)
      return digits.count == 16 && digits.allSatisfy { "0123456789abcdef".utf8.contains($0) }
    }.map { target.parent.appending($0) }.filter { path in
      path != own
        && FileStatus(ofLink: path).map { $0.isFolder && $0.owner == Platform.user } == true
        && (isInUseToo || !isInUse(path))
    }
  }

  /// Returns true if a process is at work on the folder, or has ended it since it was listed. An empty one may have
  /// been made a moment ago, and not be locked yet; nor may it be locked here, as its maker wants to.
  private static func isInUse(_ path: FilePath) -> Bool {
    guard let names = try? Platform.list(path) else { return FileStatus(ofLink: path) == nil }
    guard !names.isEmpty else { return true }
    do {
      let folder = try FileDescriptor.open(
        path, .readOnly, options: [.directory, .noFollow, .closeOnExec])
      defer { try? folder.close() }
      guard Platform.lock(folder, isShared: false) else { return true }
      // It may be another one than was listed, made a moment ago.
      guard !(try Platform.list(path)).isEmpty else { return true }
      let status = try FileStatus(of: folder, path: path)
      return FileStatus(ofLink: path)?.isSameFile(as: status) != true
    } catch {
      // One that may not be opened is nobody's at work; one that is gone needs no word.
      return FileStatus(ofLink: path) == nil
    }
  }

  /// Removes them.
  ///
  /// - Parameters:
  ///   - kind: how the tags of such jobs begin.
  ///   - target: the output.
  ///   - isResult: whether a job may give a file this name; temporary forms of such names are its own too.
  /// - Throws: `outputBusy` where a process is at work on one, `holdsForeign` where one holds what no job writes, or
  ///   `system`.
  /// - Returns: the folders that are gone.
  @discardableResult
  package static func discard(
    ofKind kind: String, beside target: FilePath, holding isResult: (String) -> Bool
  ) throws(StorageError) -> [FilePath] {
    let found = all(ofKind: kind, beside: target, withThoseInUse: true)
    var gone: [FilePath] = []
    for path in found where try discard(path, of: target, isResult) { gone.append(path) }
    return gone
  }

  /// - Returns: whether it was still there.
  private static func discard(
    _ path: FilePath, of target: FilePath, _ isResult: (String) -> Bool
  ) throws(StorageError) -> Bool {
    let folder = try withErrno("read", path) { () throws in
      try FileDescriptor.open(path, .readOnly, options: [.directory, .noFollow, .closeOnExec])
    }
    defer { try? folder.close() }
    guard Platform.lock(folder, isShared: false) else { throw .outputBusy(target) }
    // A job may have ended meanwhile, and another begun under its name.
    let status = try FileStatus(of: folder, path: path)
    guard FileStatus(ofLink: path)?.isSameFile(as: status) == true else { return false }
    let names = try Platform.list(path)
    for name in names {
      let status = FileStatus(ofLink: path.appending(name))
      guard status.map({ $0.isRegular && $0.owner == Platform.user }) ?? true,
        isResult(finalName(name))
      else { throw .holdsForeign(path, name) }
    }
    for name in names { Platform.removeFile(path.appending(name)) }
    Platform.removeEmptyFolder(path)
    return true
  }

  /// The name that a temporary one is for: `.NAME.TAG.tmp`, and twice so for what says something of a file.
  private static func finalName(_ name: String) -> String {
    guard name.hasPrefix("."), name.hasSuffix(".tmp") else { return name }
    let inner = name.dropFirst().dropLast(".tmp".utf8.count)
    guard let dot = inner.utf8.lastIndex(of: UInt8(ascii: ".")) else { return name }
    return finalName(String(inner[..<dot]))
  }
}
