internal import Synchronization
package import SystemPackage

/// Standard input as a file. It is read once, at the first use; who asks again gets the same bytes.
package enum StandardInput {
  /// How errors call it.
  package static let name: FilePath = "standard input"
  private static let opened = Result { () throws(StorageError) in
    try File(reading: .standardInput, calledAs: name)
  }

  package static func file() throws(StorageError) -> File { try opened.get() }

  /// Whether a person would have to type it.
  package static var isTerminal: Bool {
    Platform.isTerminal(FileDescriptor.standardInput.rawValue)
  }
}

/// Standard output as a sink. What was written stays written where the command fails later: formats that
/// go there have their end marked.
package final class StandardOutput: ByteSink, Sendable {
  private let total = Atomic<UInt64>(0)

  package init() {}

  /// Bytes so far.
  package var byteCount: UInt64 { total.load(ordering: .relaxed) }

  /// Whether it would be shown on a screen.
  package static var isTerminal: Bool {
    Platform.isTerminal(FileDescriptor.standardOutput.rawValue)
  }

  package func write(_ bytes: UnsafeRawBufferPointer) throws(StorageError) {
    _ = try withErrno("write", "standard output") { () throws in
      try unsafe FileDescriptor.standardOutput.writeAll(bytes)
    }
    total.add(UInt64(bytes.count), ordering: .relaxed)
  }
}
