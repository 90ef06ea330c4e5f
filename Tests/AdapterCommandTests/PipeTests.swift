import AdapterFormat
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing

/// `-` is standard input, and standard output.
@Suite struct PipeTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    let result = try Command.adapter(
      "convert", Repository.peft("gpt2_default").string, "-o", folder.appending("a.adp").string)
    #expect(result.status == 0)
  }

  /// Runs a line of shell in the folder; `adapter` is the command.
  private func shell(_ line: String) throws -> CommandResult {
    let script = "set -o pipefail; adapter() { \(Command.adapter) \"$@\"; }; \(line)"
    return try Command.run("/bin/bash", ["-c", script], folder: folder.path)
  }

  private func expectSuccess(_ line: String) throws -> CommandResult {
    let result = try shell(line)
    #expect(result.status == 0, "\(line): \(result.errors)")
    return result
  }

  @Test func aPipeIsReadAsAFileIs() throws {
    let digest = try AdapterFile(File(folder.appending("a.adp"))).digest.description
    for line in [
      "cat a.adp | adapter inspect - --digests", "adapter inspect - --digests < a.adp",
      "cat a.adp | adapter verify -",
      "cat a.adp | adapter inspect - --json",
    ] {
      #expect(try expectSuccess(line).output.contains(digest), "\(line)")
    }
    let named = try expectSuccess(
      "cat \(Repository.fixtures)/valid/adapters.adp | adapter inspect -- '-#a.b-c'")
    #expect(named.output.hasPrefix("-#a.b-c  ") && !named.output.contains("default"))
  }

  /// From where the input stands, which need not be its beginning.
  @Test func theInputIsReadOnFromWhereItStands() throws {
    let result = try expectSuccess(
      "(echo one line; cat a.adp) > both; (read line; adapter verify -) < both")
    #expect(result.output.contains("-: ok"))
  }

  @Test func convertAndMergeTakeAPipe() throws {
    _ = try expectSuccess("cat a.adp | adapter convert - -o peft")
    let weights = "adapter_model.safetensors"
    #expect(
      try folder.appending("peft/\(weights)").contents
        == Repository.peft("gpt2_default").appending(weights).contents)
    let base = Repository.base("tiny-gpt2").appending("model.safetensors")
    _ = try expectSuccess("cat a.adp | adapter merge \(base) - -o piped.safetensors")
    _ = try expectSuccess("adapter merge \(base) a.adp -o named.safetensors")
    #expect(
      try folder.appending("piped.safetensors").contents
        == folder.appending("named.safetensors").contents)
    _ = try expectSuccess("cat a.adp | adapter unpack - -o f")
    #expect(folder.names.filter { $0.hasPrefix(".") } == [])
  }

  @Test func whatGoesToStandardOutputIsTheFile() throws {
    let source = Repository.peft("gpt2_default")
    let result = try expectSuccess("adapter convert \(source) -o - > b.adp")
    #expect(result.errors.contains("done: standard output: "))
    #expect(
      try folder.appending("b.adp").contents == folder.appending("a.adp").contents)
    _ = try expectSuccess("adapter pack a.adp -o c.adp --license mit")
    _ = try expectSuccess("cat a.adp | adapter pack - -o - --license mit | cat > d.adp")
    #expect(try folder.appending("c.adp").contents == folder.appending("d.adp").contents)
    _ = try expectSuccess("adapter unpack a.adp -o f")
    _ = try expectSuccess("adapter pack f -o - > e.adp")
    #expect(try folder.appending("e.adp").contents == folder.appending("a.adp").contents)
    let base = Repository.base("tiny-bias")
    let tuned = Repository.fixtures.appending("bitfit/f32_small/tuned.safetensors")
    _ = try expectSuccess(
      "adapter extract \(base) \(tuned) --method bitfit -o - | adapter verify -")
  }

  @Test func twoThatAreTheSamePipe() throws {
    let result = try expectSuccess("cat a.adp | adapter pack x=- y=- -o - | adapter inspect -")
    #expect(result.output.contains("\nx  ") && result.output.contains("\ny  "))
  }

  @Test(arguments: [
    "adapter merge \(Repository.base("tiny-gpt2")) a.adp -o -", "adapter convert a.adp -o -",
    "adapter unpack a.adp -o -",
  ])
  func whatIsNoSingleFileHasNoPipe(_ line: String) throws {
    let result = try shell(line)
    #expect(result.status == 64)
    #expect(result.output.isEmpty && result.errors.contains("standard output: name"))
  }

  /// What was written before a failure has no end, so that nobody takes it for a file.
  @Test func aBrokenStreamIsRefusedByItsReader() throws {
    var bytes = try folder.appending("a.adp").contents
    let chunk = try #require(
      try AdapterFile(MemoryBytes(bytes)).manifest.adapters[0].streams[0].chunks.last)
    bytes[Int(chunk.offset)] ^= 1
    try folder.write(bytes, to: "bad.adp")
    let result = try shell(
      "adapter pack bad.adp -o - --license mit > out; echo $?; adapter verify out")
    #expect(result.output == "2\n" && result.status != 0)
    #expect(result.errors.contains("wrong checksum") && result.errors.contains("cut short"))
  }

  @Test func nothingIsWrittenWhereTheInputIsBadFromTheStart() throws {
    for line in [
      "head -c 1000 a.adp | adapter pack - -o -", "adapter pack - -o - < /dev/null",
      "adapter convert nothing -o -", "adapter pack a.adp a.adp -o -",
    ] {
      let result = try shell(line)
      #expect(result.status == 2 && result.output.isEmpty, "\(line): \(result.errors)")
    }
  }

  @Test func aReaderThatStopsIsAnError() throws {
    let result = try shell("adapter pack a.adp -o - | true; exit ${PIPESTATUS[0]}")
    // The reader may be slower than the writer, whose bytes a pipe holds.
    #expect(result.status == 0 || result.errors.contains("cannot write standard output"))
    let full = try shell("adapter pack a.adp -o - > /dev/full")
    #expect(full.status == 2 && full.errors.contains("no space left"))
  }

  /// A full disk behind standard output, and a pipe that nobody reads any more.
  @Test(arguments: [
    "convert \(Repository.peft("gpt2_default"))", "pack a.adp", "pack f", "pack a.adp b=a.adp",
    "extract \(Repository.base("tiny-bias"))"
      + " \(Repository.fixtures)/bitfit/f32_small/tuned.safetensors --method bitfit",
  ])
  func aFileThatNobodyTakesIsAnError(_ command: String) throws {
    _ = try expectSuccess("adapter unpack a.adp -o f; mkfifo pipe")
    let full = try shell("adapter \(command) -o - > /dev/full")
    #expect(full.status == 2 && full.errors.contains("cannot write standard output: no space left"))
    let closed = try shell(
      "exec 3<>pipe; exec 4>pipe; exec 3<&-; adapter \(command) -o - >&4; exit $?")
    #expect(
      closed.status == 2 && closed.errors.contains("cannot write standard output: broken pipe"))
    #expect(folder.names == ["a.adp", "f", "pipe"])
  }

  @Test(arguments: ["inspect a.adp", "inspect a.adp --json", "verify a.adp", "diff a.adp a.adp"])
  func aTextThatNobodyReadsIsNoError(_ command: String) throws {
    let full = try shell("adapter \(command) > /dev/full")
    #expect(full.status == 2 && full.errors.contains("cannot write to standard output"))
    let closed = try shell(
      "mkfifo pipe; exec 3<>pipe; exec 4>pipe; exec 3<&-; adapter \(command) >&4; exit $?")
    #expect(closed.status == 0 && closed.errors.isEmpty)
  }

  /// `script` gives the command a terminal.
  @Test(.enabled(if: FilePath("/usr/bin/script").exists))
  func aTerminalIsNeitherReadNorWritten() throws {
    for (line, says) in [
      ("pack a.adp -o -", "not for a terminal"), ("inspect -", "standard input is a terminal"),
      ("verify -", "standard input is a terminal"),
    ] {
      let result = try shell("script -qec '\(Command.adapter) \(line)' /dev/null")
      #expect(result.output.contains(says), "\(result.output)")
    }
  }

  /// A stream that begins as no adapter does is not copied: the first bytes decide.
  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
  func anEndlessPipeIsRefusedAtOnce() throws {
    for source in [
      "yes", "cat /dev/zero", "(printf '\\x89'; yes)", "(head -c 10 a.adp; sleep 0.1; yes)",
    ] {
      for command in ["inspect -", "verify -", "convert - -o out", "pack - -o out.adp"] {
        let line =
          "ulimit -f 1000; set +o pipefail; \(source) 2>/dev/null | TMPDIR=. adapter \(command)"
        let result = try shell(line)
        #expect([1, 2].contains(result.status), "\(line): \(result.status) \(result.errors)")
        #expect(!result.errors.contains("too large"), "\(line): \(result.errors)")
      }
    }
    #expect(folder.names == ["a.adp"])
  }

  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
  func helpToAFullDiskFails() throws {
    for arguments in [
      "--help", "merge --help", "help merge", "--version", "--generate-completion-script bash",
    ] {
      #expect(try shell("adapter \(arguments) > /dev/full").status == 2, "\(arguments)")
      #expect(try shell("adapter \(arguments) > /dev/null").status == 0, "\(arguments)")
    }
  }

  /// Every command ends with its result or an error, however few files it may open.
  @Test func fewDescriptorsAreAnError() throws {
    for limit in 3...12 {
      for command in [
        "verify a.adp", "inspect a.adp", "convert a.adp -o out", "unpack a.adp -o out2",
        "merge \(Repository.base("tiny-gpt2")) a.adp -o out3",
      ] {
        let result = try shell("ulimit -n \(limit); adapter \(command)")
        // 127: the loader itself could not open the libraries.
        #expect([0, 2, 127].contains(result.status), "\(limit) \(command): \(result)")
      }
      _ = try shell("rm -rf out out2 out3")
    }
  }
}
