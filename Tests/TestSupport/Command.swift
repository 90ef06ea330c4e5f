import Foundation
package import SystemPackage

/// A program that has ended.
package struct CommandResult: Sendable {
  /// Its exit status; 128 and more for a signal.
  package let status: Int32
  /// Its standard output.
  package let output: String
  /// Its standard error.
  package let errors: String
}

package enum Command {
  /// The command under test, built beside the tests.
  package static let adapter = FilePath(
    URL(fileURLWithPath: ProcessInfo.processInfo.arguments[0]).deletingLastPathComponent()
      .appendingPathComponent("adapter").path)

  /// A Python with numpy and zstandard, for the second reader; nil where there is none.
  package static let python: FilePath? = {
    let chosen = ProcessInfo.processInfo.environment["ADAPTER_PYTHON"]
    let candidates = [
      chosen, "/usr/bin/python3", "/usr/local/bin/python3", "/opt/homebrew/bin/python3",
    ].compactMap { $0 }
    return candidates.map { FilePath($0) }.first { path in
      (try? run(path, ["-c", "import numpy, zstandard"]))?.status == 0
    }
  }()

  /// Runs the command under test.
  package static func adapter(_ arguments: String...) throws -> CommandResult {
    try run(adapter, arguments)
  }

  /// Runs lines of shell in a folder. `adapter` is the command under test; a pipe fails where any part of it
  /// does; no setting of the terminal or of the language gets through.
  package static func shell(_ lines: String, in folder: FilePath) throws -> CommandResult {
    let settings =
      "set -o pipefail; export LC_ALL=C COLUMNS=80 PATH='\(adapter.removingLastComponent())':\"$PATH\""
    return try run("/bin/bash", ["-c", "\(settings)\n\(lines)"], folder: folder)
  }

  /// Runs a program to its end, with more in its environment than the tests have. Its streams go to files, so
  /// that none can fill up and stop it.
  package static func run(
    _ program: FilePath, _ arguments: [String], folder: FilePath? = nil,
    environment: [String: String] = [:]
  ) throws -> CommandResult {
    let temporary = try TemporaryFolder()
    let (output, errors) = (
      try temporary.write([], to: "output"), try temporary.write([], to: "errors")
    )
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program.string)
    process.arguments = arguments
    if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder.string) }
    if !environment.isEmpty {
      process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: output.string))
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: errors.string))
    try process.run()
    process.waitUntilExit()
    let signal: Int32 = process.terminationReason == .uncaughtSignal ? 128 : 0
    return CommandResult(
      status: process.terminationStatus + signal,
      output: String(decoding: try output.contents, as: UTF8.self),
      errors: String(decoding: try errors.contents, as: UTF8.self))
  }

  /// Runs the command under test and sends it a signal after a while; returns its exit status, 128
  /// and the signal's number where the signal ended it.
  package static func interrupted(
    _ arguments: [String], after milliseconds: Int, by signal: Int32
  ) throws -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: adapter.string)
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    usleep(UInt32(milliseconds) * 1000)
    kill(process.processIdentifier, signal)
    process.waitUntilExit()
    return process.terminationStatus + (process.terminationReason == .uncaughtSignal ? 128 : 0)
  }
}
