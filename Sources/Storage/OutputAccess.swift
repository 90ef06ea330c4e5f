internal import SystemPackage

/// Who may use an output: of group and others, nobody who may not read what it is made of, and who may use what it
/// takes the place of.
struct OutputAccess {
  /// Bits for owner, group and others, as `chmod` takes them.
  typealias Mode = CInterop.Mode

  private let sources: [Source]

  /// The permissions of an input, in the bits of a file.
  private struct Source: Hashable {
    let mode: Mode
    let group: UInt32

    init(_ status: FileStatus) {
      // Who may enter a folder may read what it holds, as far as its files allow that.
      let entered = (status.mode & 0o222) | (status.mode & 0o111) << 2
      mode = status.isFolder ? entered : status.mode & 0o666
      group = status.group
    }
  }

  /// - Parameter inputs: what the output is made of. A path with nothing there counts for nothing.
  init(from inputs: [FilePath]) {
    sources = Array(Set(inputs.compactMap { FileStatus(of: $0) }.map(Source.init)))
  }

  /// The most that a new file may allow, before the process's own mask is taken off: what all inputs allow.
  var newFile: Mode { sources.reduce(0o666) { $0 & ($1.mode | 0o600) } }

  /// The same of a folder, which who may read it may enter.
  var newFolder: Mode { Self.entered(newFile) }

  private static func entered(_ mode: Mode) -> Mode { mode | (mode & 0o444) >> 2 }

  /// The mode that something gets in the end.
  ///
  /// - Parameters:
  ///   - fresh: what it allows as a new one, with the process's mask taken off.
  ///   - group: its group.
  ///   - replaced: what it takes the place of.
  /// - Returns: its bits for owner, group and others.
  func final(_ fresh: Mode, ofGroup group: UInt32, replacing replaced: FileStatus?) -> Mode {
    var mode = (replaced?.mode ?? fresh) & 0o777
    if let replaced, replaced.group != group { mode &= Self.asOthers(mode) }
    for source in sources {
      let limit = source.group == group ? source.mode : Self.asOthers(source.mode)
      let unreadable = ~limit & 0o044
      mode &= ~(unreadable | unreadable >> 1 | unreadable >> 2)
    }
    return mode
  }

  /// Returns the mode that is left for another group, whose members were others: the group gets what both may.
  private static func asOthers(_ mode: Mode) -> Mode {
    mode & (~0o070 | (mode & 0o007) << 3)
  }
}

extension OutputAccess {
  /// Gives an open file or folder the owner, as far as this user may, and the mode that it shall have.
  ///
  /// - Parameters:
  ///   - descriptor: the file or folder.
  ///   - replaced: what it takes the place of.
  ///   - mode: what a new one would allow here, where this one allows less until now.
  ///   - path: how errors call it.
  /// - Throws: `StorageError` where its mode cannot be set.
  func settle(
    _ descriptor: FileDescriptor, replacing replaced: FileStatus?, asNew mode: Mode? = nil,
    path: FilePath
  ) throws(StorageError) {
    if let replaced {
      Platform.giveTo(descriptor, owner: replaced.owner, group: replaced.group)
    }
    let status = try FileStatus(of: descriptor, path: path)
    let fresh = mode ?? status.mode
    // A folder hands its group down by a bit of its own, which is none of those that say who may read it.
    let special = (replaced?.isFolder == true ? replaced?.mode ?? fresh : fresh) & 0o7000
    let mode = final(fresh, ofGroup: status.group, replacing: replaced) | special
    guard mode != status.mode else { return }
    try Platform.setMode(descriptor, mode, path: path)
  }
}
