internal import Synchronization
package import SystemPackage

/// Standard input, which a command reads once.
package enum StandardInput {
  /// How errors call it.
  package static let name: FilePath = "standard input"

  /// True if a person would have to type the input.
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

  /// True if the output would be shown on a screen.
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
