public import SystemPackage

/// The kind of file that a path names.
public enum FileKind: String, Hashable, Sendable {
  /// A regular file.
  case file = "a file"
  /// A folder.
  case folder = "a folder"
  /// A symbolic link.
  case link = "a symbolic link"
  /// A named pipe.
  case pipe = "a pipe"
  /// A socket.
  case socket = "a socket"
  /// A device.
  case device = "a device"
}

/// Why the temporary folder of a job cannot be gone on with.
public enum FolderFault: String, Hashable, Sendable {
  /// It is a file, a link or the like.
  case isNoFolder = "is not a folder"
  /// Another user has made it.
  case belongsToOther = "belongs to another user"
  /// Group or others may write into it.
  case isOpenToOthers = "may be written to by other users"
}

/// Why a file could not be read or written.
@nonexhaustive
public enum StorageError: Error, Hashable, Sendable {
  /// A call of the operating system failed.
  case system(operation: String, path: FilePath, code: Errno)
  /// The file is shorter than it was when it was opened.
  case truncated(path: FilePath, offset: UInt64, count: Int)
  /// The file has another size or time than when it was opened.
  case changed(FilePath)
  /// The path names a folder, a pipe or a device.
  case notRegularFile(FilePath)
  /// The output is there already, and replacing it was not asked for.
  case outputExists(FilePath)
  /// The output is a folder that holds a file which would not be written anew.
  case outputHoldsOther(FilePath, String)
  /// The output is a symbolic link.
  case outputIsLink(FilePath)
  /// An input that must be in its folder is a symbolic link.
  case inputIsLink(FilePath)
  /// The output is one of the inputs.
  case outputIsInput(FilePath)
  /// Something has the output's name that is never replaced: it is no file, or no folder where the output is one.
  case outputIsOther(FilePath, FileKind)
  /// The folder that an earlier process of the job should have left is not this user's alone.
  case folderNotOwn(FilePath, FolderFault)
  /// The folder that an earlier process of the job has left holds something that the job does not write.
  case holdsForeign(FilePath, String)
  /// Another process is making the same output.
  case outputBusy(FilePath)
  /// Another process has made the same output meanwhile.
  case outputFinished(FilePath)
  /// The file system has no room for the output.
  case noRoom(FilePath, needed: UInt64, free: UInt64)
  /// More comes from a pipe than anything that is read from one is long.
  case streamTooLong(FilePath, limit: UInt64)
}

extension StorageError: CustomStringConvertible {
  /// One line for people.
  public var description: String {
    switch self {
    case .system(let operation, let path, let code):
      "cannot \(operation) \(path.isEmpty ? "\"\"" : path.string): "
        + code.description.lowercasedFirst
    case .truncated(let path, let offset, let count):
      "\(path) became shorter while it was read: \(count) bytes at \(offset) are not there"
    case .changed(let path): "\(path) was changed while it was read"
    case .notRegularFile(let path): "\(path) is not a regular file"
    case .outputExists(let path): "\(path) exists"
    case .outputHoldsOther(let path, let name):
      "\(path) holds \(name), which would be lost"
    case .outputIsLink(let path): "\(path) is a symbolic link: name what it points to"
    case .inputIsLink(let path): "\(path) is a symbolic link, which is not followed here"
    case .outputIsOther(let path, let kind):
      "\(path) is \(kind.rawValue), which is never replaced: choose another output"
    case .folderNotOwn(let path, let fault):
      "\(path) \(fault.rawValue), so nothing in it can be trusted: remove it, or choose another output"
    case .holdsForeign(let path, let name):
      "\(path) holds \(name), which this command does not write: move it away, or remove the folder"
    case .noRoom(let path, let needed, let free):
      "\(path) takes \(needed.megabytes) MB, and its file system has \(free / 1_000_000) MB free"
    case .outputBusy(let path): "another process is writing \(path): wait until it has ended"
    case .outputFinished(let path): "another process has finished \(path) meanwhile"
    case .streamTooLong(let path, let limit):
      "\(path) is longer than \(limit >> 30) GiB: save it to a file, and name that"
    case .outputIsInput(let path): "the output \(path) is one of the inputs"
    }
  }
}

extension String {
  fileprivate var lowercasedFirst: String { prefix(1).lowercased() + dropFirst() }
}

extension UInt64 {
  /// In millions of bytes, rounded up.
  fileprivate var megabytes: UInt64 { self / 1_000_000 + (self % 1_000_000 > 0 ? 1 : 0) }
}
