import Foundation
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// No input below 1 MB makes a command take more than 200 MB, or long. Tests/Hostile makes the inputs, and measures.
@Suite(.enabled(if: Command.python != nil && FaultInjector.isThere), .hostileInputs)
struct HostileInputTests {
  private static let maximumMegabytes = 200.0
  /// Of a processor: what the clock says depends on what else runs. Commands take up to 3 s, and where many share a
  /// processor's caches up to twice that.
  private static let maximumSeconds = 20.0

  private let inputs: HostileInputs

  init() throws {
    inputs = try #require(HostileInputs.made)
  }

  @Test(arguments: [
    "card", "check", "convert", "diff", "extract", "inspect", "merge", "pack", "run", "unpack",
    "verify",
  ])
  func noneTakesMuchMemoryOrTime(_ verb: String) throws {
    let commands = try inputs.commands.filter { $0.first == verb }
    #expect(commands.count >= 10)
    let results = try inputs.measure(commands, limit: 3 * Int(Self.maximumSeconds))
    for (words, result) in zip(commands, results) {
      let name = words.map { FilePath($0).lastComponent?.string ?? $0 }.joined(separator: " ")
      let megabytes = try #require(result["megabytes"]?.double)
      let seconds = try #require(result["seconds"]?.double)
      #expect(megabytes < Self.maximumMegabytes, "\(name): \(megabytes) MB")
      #expect(seconds < Self.maximumSeconds, "\(name): \(seconds) s")
      // Done, the answer is no, or refused: never a signal, never a crash.
      let status = try #require(result["status"]?.double)
      #expect([0, 1, 2].contains(status), "\(name): \(result["errors"] ?? .null)")
    }
  }

  @Test func everyCommandIsTried() throws {
    let commands = try inputs.commands
    #expect(commands.count > 800)
    #expect(Set(commands.compactMap(\.first)) == Set(try Help.subcommands))
  }
}

/// The inputs that Tests/Hostile makes, in a folder that is there while a suite runs.
private struct HostileInputs: Sendable {
  private static let tools = Repository.root.appending("Tests/Hostile")
  @TaskLocal static var made: HostileInputs?

  private let folder: TemporaryFolder
  private let python: FilePath

  init() throws {
    python = try #require(Command.python)
    folder = try TemporaryFolder()
    let maker = Self.tools.appending("make_hostile.py").string
    let made = try Command.run(python, ["-B", maker, folder.path.string])
    try #require(made.status == 0 && made.errors.isEmpty, "\(made.errors)")
  }

  /// Runs commands, each for at most `limit` seconds of a processor.
  func measure(_ commands: [[String]], limit: Int) throws -> [JSONFields] {
    let lines = commands.map { words in
      let texts = ([Command.adapter.string] + words).map { "\"\($0)\"" }
      return "[\(texts.joined(separator: ","))]"
    }
    let own = try TemporaryFolder()
    try own.write(Array(lines.joined(separator: "\n").utf8), to: "lines")
    let measure = Self.tools.appending("measure.py")
    let measured = try Command.shell(
      "'\(python)' -B '\(measure)' \(limit) < lines", in: own.path)
    let results = measured.output.split(separator: "\n")
    try #require(results.count == commands.count, "\(measured.errors)")
    return try results.map { try JSONFields(Array($0.utf8)) }
  }

  /// Every command on every input that it takes. Not `unpack` of the largest: that writes a gigabyte, as it should.
  var commands: [[String]] {
    get throws {
      var commands: [[String]] = []
      func output() -> String { folder.appending("out-\(commands.count)").string }
      let base = folder.appending("bases/one").string
      let many = folder.appending("peft/many").string
      for path in try paths("adp") {
        commands += [
          ["inspect", path], ["inspect", path, "--summary", "--json"], ["diff", path, path],
          ["verify", path], ["card", path],
        ]
        commands.append(["inspect", path, "--html", output()])
        commands.append(["convert", path, "-o", output()])
        commands.append(["pack", path, "-o", output(), "--license", "mit"])
        commands.append(["merge", base, path, "-o", output()])
        commands.append(["check", base, path])
        if FilePath(path).lastComponent?.string.hasPrefix("m_") == true,
          !path.contains("m_adapters")
        {
          commands.append(["unpack", path, "-o", output()])
        }
      }
      for path in try paths("peft") {
        commands += [["inspect", path], ["diff", path, many], ["card", path]]
        commands.append(["convert", path, "-o", output()])
        commands.append(["merge", folder.appending("bases/values").string, path, "-o", output()])
      }
      for path in try paths("bases") {
        commands += [["inspect", path], ["diff", path, path]]
        commands.append(["merge", path, many, "-o", output()])
        commands.append(["check", path, many])
        commands.append(["extract", path, path, "-o", output(), "--method", "bitfit"])
        commands.append(["run", path, "--token-ids", "1", "--max-new-tokens", "1"])
      }
      for path in try paths("pairs") {
        let (base, adapter) = ("\(path)/base", "\(path)/adapter.adp")
        commands += [
          ["check", base, adapter], ["inspect", adapter, "--base", base],
          ["merge", base, adapter, "--dry-run"], ["diff", adapter, adapter, "--base", base],
          ["verify", "--merge", base, adapter, base], ["convert", adapter, "-o", output()],
        ]
        commands.append(["merge", base, adapter, "-o", output(), "--undo", output() + ".adp"])
        commands.append(["merge", base, adapter, "\(adapter):0.5", "-o", output()])
      }
      for path in try paths("folders") { commands.append(["pack", path, "-o", output()]) }
      for path in try paths("models") {
        commands.append(["run", path, "--token-ids", "1", "--max-new-tokens", "2"])
        commands.append(["run", path, "--prompt", "abc abc", "--max-new-tokens", "2"])
      }
      return commands
    }
  }

  private func paths(_ kind: String) throws -> [String] {
    let below = folder.appending(kind)
    let names = try FileManager.default.contentsOfDirectory(atPath: below.string).sorted()
    #expect(!names.isEmpty)
    return names.map { below.appending($0).string }
  }
}

/// Makes the inputs once for all tests of a suite.
private struct HostileInputsTrait: SuiteTrait, TestScoping {
  func provideScope(
    for test: Test, testCase: Test.Case?, performing body: @Sendable () async throws -> Void
  ) async throws {
    try await HostileInputs.$made.withValue(HostileInputs(), operation: body)
  }
}

extension Trait where Self == HostileInputsTrait {
  fileprivate static var hostileInputs: Self { Self() }
}
