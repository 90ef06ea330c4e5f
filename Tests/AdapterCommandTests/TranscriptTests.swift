import Foundation
import SystemPackage
import TestSupport
import Testing

/// What every command writes, to the byte. Each file of Tests/Transcripts is a session with the command; it
/// is run again, and must come out the same. After a change that is meant:
///
///     ADAPTER_RECORD=1 swift test -c release --filter TranscriptTests
///
/// writes them again, and `git diff` shows what has changed. A new one needs only its `$ ` lines. The
/// rules about what is not exact are `TranscriptRule`'s.
@Suite struct TranscriptTests {
  private static let isRecording = ProcessInfo.processInfo.environment["ADAPTER_RECORD"] == "1"

  @Test(arguments: Transcript.names)
  func everySessionComesOutTheSame(_ name: String) throws {
    let transcript = try Transcript(name)
    let actual = try transcript.text(transcript.run())
    for secret in [Repository.root.string, FileManager.default.temporaryDirectory.path + "/"] {
      #expect(!actual.contains(secret), "a path of this machine")
    }
    let recorded = try transcript.path.contents
    guard Array(actual.utf8) != recorded else { return }
    guard !Self.isRecording else {
      return try Data(actual.utf8).write(to: URL(fileURLWithPath: transcript.path.string))
    }
    Issue.record("\(firstDifference(String(decoding: recorded, as: UTF8.self), actual, in: name))")
  }

  /// A new command, or a new option, cannot be forgotten.
  @Test func everyCommandAndOptionOccurs() throws {
    let commands = try Transcript.names.flatMap { try Transcript($0).commands }
    #expect(try Help.subcommands.count >= 8)
    for subcommand in try Help.subcommands {
      let uses = commands.filter { $0.contains("adapter \(subcommand) ") }
      #expect(!uses.isEmpty, "no transcript has adapter \(subcommand)")
      let options = try Help.text(subcommand).matches(of: /(?m)^ +(?:-\w, )?(--[a-z-]+)/).map(\.1)
      #expect(options.contains("--help"))
      for option in options where !["--help", "--version", "--output"].contains(option) {
        #expect(
          uses.contains { $0.contains("\(option)") },
          "no transcript has adapter \(subcommand) … \(option)")
      }
    }
  }

  /// Each command is seen to succeed, and to fail.
  @Test func everyCommandSucceedsAndFails() throws {
    var ends: [String: Set<String>] = [:]
    for name in Transcript.names {
      var command = ""
      let text = String(decoding: try Transcript(name).path.contents, as: UTF8.self)
      for line in text.split(separator: "\n") {
        if line.hasPrefix("$ ") { command = String(line) }
        guard line.hasPrefix("exit "),
          let match = command.firstMatch(of: #/^\$ adapter (\w+)[^|;]*$/#)
        else { continue }
        ends[String(match.1), default: []].insert(String(line.dropFirst(5)))
      }
    }
    for subcommand in try Help.subcommands {
      #expect(ends[subcommand]?.isSuperset(of: ["0", "2"]) == true, "\(subcommand)")
    }
  }
}

/// The first lines that differ, with the command that they belong to.
private func firstDifference(_ recorded: String, _ actual: String, in name: String) -> String {
  func lines(_ text: String) -> [String] {
    text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }
  let (old, new) = (lines(recorded), lines(actual))
  let place = zip(old, new).prefix { $0 == $1 }.count
  let command = new.prefix(place + 1).last { $0.hasPrefix("$ ") } ?? ""
  let excerpt =
    old.dropFirst(place).prefix(4).map { "- " + $0 }
    + new.dropFirst(place).prefix(4).map { "+ " + $0 }
  return "Tests/Transcripts/\(name):\(place + 1)\n\(command)\n" + excerpt.joined(separator: "\n")
}
