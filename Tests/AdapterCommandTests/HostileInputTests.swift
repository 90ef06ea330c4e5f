import Foundation
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// No input below 1 MB makes a command take more than 200 MB, or long. Tests/Hostile makes the inputs, and measures.
@Suite(.enabled(if: Command.python != nil && FaultInjector.isThere)) struct HostileInputTests {
  private static let maximumMegabytes = 200.0
  /// Of one processor; other tests run meanwhile, so that the time on the clock says little.
  private static let maximumSeconds = 5.0
  private static let tools = Repository.root.appending("Tests/Hostile")

  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func python(_ arguments: [String], input: FilePath? = nil) throws -> CommandResult {
    let python = try #require(Command.python)
    guard let input else { return try Command.run(python, ["-B"] + arguments) }
    let line = ([python.string, "-B"] + arguments).map { "'\($0)'" }.joined(separator: " ")
    return try Command.shell("\(line) < '\(input)'", in: folder.path)
  }

  @Test(.timeLimit(.minutes(5)))
  func noneTakesMuchMemoryOrTime() throws {
    let made = try python([Self.tools.appending("make_hostile.py").string, folder.path.string])
    try #require(made.status == 0 && made.errors.isEmpty, "\(made.errors)")
    let commands = try commands()
    #expect(commands.count > 800)
    let lines = commands.map { words in
      let texts = ([Command.adapter.string] + words).map { "\"\($0)\"" }
      return "[\(texts.joined(separator: ","))]"
    }
    let input = try folder.write(Array(lines.joined(separator: "\n").utf8), to: "lines")
    let measured = try python([Self.tools.appending("measure.py").string, "60"], input: input)
    let results = measured.output.split(separator: "\n").map(String.init)
    try #require(results.count == commands.count, "\(measured.errors)")
    for (words, line) in zip(commands, results) {
      let result = try JSONFields(Array(line.utf8))
      let name = words.map { FilePath($0).lastComponent?.string ?? $0 }.joined(separator: " ")
      let megabytes = try #require(result["megabytes"]?.double)
      let seconds = try #require(result["processor_seconds"]?.double)
      #expect(megabytes < Self.maximumMegabytes, "\(name): \(megabytes) MB")
      #expect(seconds < Self.maximumSeconds, "\(name): \(seconds) s")
      // Done, the answer is no, or refused: never a signal, never a crash.
      #expect([0, 1, 2].contains(try #require(result["status"]?.double)), "\(name): \(line)")
    }
  }

  /// Every command on every input that it takes. Not `unpack` of the largest: that writes a gigabyte, as it should.
  private func commands() throws -> [[String]] {
    var commands: [[String]] = []
    func output() -> String { folder.appending("out-\(commands.count)").string }
    let base = folder.appending("bases/one").string
    let many = folder.appending("peft/many").string
    for path in try inputs("adp") {
      commands += [
        ["inspect", path], ["inspect", path, "--summary", "--json"], ["diff", path, path],
        ["verify", path],
      ]
      commands.append(["inspect", path, "--html", output()])
      commands.append(["convert", path, "-o", output()])
      commands.append(["pack", path, "-o", output(), "--license", "mit"])
      commands.append(["merge", base, path, "-o", output()])
      commands.append(["check", base, path])
      if FilePath(path).lastComponent?.string.hasPrefix("m_") == true, !path.contains("m_adapters")
      {
        commands.append(["unpack", path, "-o", output()])
      }
    }
    for path in try inputs("peft") {
      commands += [["inspect", path], ["diff", path, many]]
      commands.append(["convert", path, "-o", output()])
      commands.append(["merge", folder.appending("bases/values").string, path, "-o", output()])
    }
    for path in try inputs("bases") {
      commands += [["inspect", path], ["diff", path, path]]
      commands.append(["merge", path, many, "-o", output()])
      commands.append(["check", path, many])
      commands.append(["extract", path, path, "-o", output(), "--method", "bitfit"])
      commands.append(["run", path, "--token-ids", "1", "--max-new-tokens", "1"])
    }
    for path in try inputs("folders") { commands.append(["pack", path, "-o", output()]) }
    for path in try inputs("models") {
      commands.append(["run", path, "--token-ids", "1", "--max-new-tokens", "2"])
      commands.append(["run", path, "--prompt", "abc abc", "--max-new-tokens", "2"])
    }
    return commands
  }

  private func inputs(_ kind: String) throws -> [String] {
    let below = folder.appending(kind)
    let names = try FileManager.default.contentsOfDirectory(atPath: below.string).sorted()
    #expect(!names.isEmpty)
    return names.map { below.appending($0).string }
  }
}
