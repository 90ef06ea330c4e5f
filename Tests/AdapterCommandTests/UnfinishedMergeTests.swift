import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing

/// What a merge that was ended before its end leaves, says, and how one gets rid of it.
@Suite(.enabled(if: FaultInjector.isThere)) struct UnfinishedMergeTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try folder.copy(Repository.base("tiny-llama"), to: "base")
    try folder.copy(Repository.peft("llama_all"), to: "peft")
  }

  private func run(_ line: String) throws -> CommandResult {
    try Command.shell("adapter \(line)", in: folder.path)
  }

  /// Leaves a folder with the share of one process in it.
  private func begin(_ options: String = "") throws {
    let result = try run("merge base peft -o out --part 1/2\(options)")
    #expect(result.status == 0, "\(result.errors)")
  }

  private var leftovers: [String] { folder.names.filter { $0.hasPrefix(".out.merge-") } }

  @Test func whatIsLeftIsRemovedOnDemand() throws {
    #expect(try run("merge base peft -o out --discard").status == 2)
    try begin()
    try begin(" --dtype f16")
    #expect(leftovers.count == 2)
    let result = try run("merge base peft -o out --discard")
    #expect(result.status == 0 && leftovers.isEmpty, "\(result.errors)")
    #expect(folder.names == ["base", "peft"])
    #expect(try run("merge base peft --discard").status == 64)
    #expect(try run("merge base peft -o out --discard --finish").status == 64)
  }

  @Test func anotherMergeThatWasNotEndedIsMentioned() throws {
    try begin(" --dtype f16")
    let own = try run("merge base peft -o out --part 1/2")
    #expect(own.errors.contains("was begun and not ended: \(leftovers.count == 2 ? "" : "?")"))
    let result = try run("merge base peft -o out")
    #expect(result.status == 0 && result.errors.contains("--discard removes it"))
    #expect(try run("merge base peft -o out2").errors.contains("--discard") == false)
  }

  /// What no merge has put there is nobody's to remove.
  @Test func foreignFilesStay() throws {
    try begin()
    let own = folder.appending(leftovers[0])
    try own.appending("thesis.txt").write([1, 2, 3])
    #expect(try run("merge base peft -o out --discard").status == 2)
    #expect(own.appending("thesis.txt").exists)
    try FileManager.default.removeItem(atPath: own.appending("thesis.txt").string)
    try FileManager.default.createDirectory(
      atPath: own.appending("folder").string, withIntermediateDirectories: false)
    let before = own.names
    let result = try run("merge base peft -o out --discard")
    #expect(result.status == 2 && result.errors.contains("folder"))
    #expect(own.names == before)
    // A name that no job has is none of theirs.
    for name in [
      ".out.merge-xyz.tmp", ".out.merge-0123456789abcdef.old", ".other.merge-0123456789abcdef.tmp",
    ] {
      try FileManager.default.createDirectory(
        atPath: folder.appending(name).string, withIntermediateDirectories: false)
    }
    try FileManager.default.removeItem(atPath: own.appending("folder").string)
    #expect(try run("merge base peft -o out --discard").status == 0)
    #expect(folder.names.count { $0.hasSuffix(".tmp") || $0.hasSuffix(".old") } == 3)
  }

  /// While it waits for a pipe that nobody writes to.
  @Test(arguments: [("TERM", 15), ("HUP", 1)])
  func aSignalSaysWhatIsKept(_ signal: String, _ number: Int) throws {
    let lines = """
      mkfifo pipe
      adapter merge base - -o out < pipe 2> errors &
      exec 3> pipe
      sleep 0.2
      kill -s \(signal) $!
      wait $!
      echo $? > status
      """
    _ = try Command.shell(lines, in: folder.path)
    let status = String(decoding: try folder.appending("status").contents, as: UTF8.self)
    let errors = String(decoding: try folder.appending("errors").contents, as: UTF8.self)
    #expect(status == "\(128 + number)\n")
    // One that has only just begun does not listen yet, and has nothing to say.
    #expect(["", "adapter: error: interrupted: nothing is left behind\n"].contains(errors))
    #expect(leftovers.isEmpty)
  }

  @Test func aFileSystemWithoutRoomIsToldBefore() throws {
    let path = folder.appending("out")
    #expect(throws: Never.self) { try path.checkRoom(for: 1, copiedFrom: "/") }
    let error = #expect(throws: StorageError.self) {
      try path.checkRoom(for: 1 << 62, copiedFrom: "/proc")
    }
    guard case .noRoom(path, 1 << 62, let free)? = error else { return Issue.unexpected(error) }
    #expect(free > 0)
  }
}
