import Foundation
import StrictJSON
import SystemPackage
import TestSupport
import Testing

@Suite struct CommandTests {
  private let folder: TemporaryFolder
  private let file: String

  init() throws {
    folder = try TemporaryFolder()
    file = folder.appending("lora.adp").string
    let result = try Command.adapter(
      "convert", Repository.peft("gpt2_all").string, "-o", file, "--base",
      Repository.base("tiny-gpt2").string)
    #expect(result.status == 0)
    #expect(result.output.isEmpty)
  }

  @Test func inspectFits80Columns() throws {
    let result = try Command.adapter("inspect", file)
    #expect(result.status == 0)
    #expect(result.errors.isEmpty)
    for line in result.output.split(separator: "\n").dropFirst() { #expect(line.count <= 80) }
    for text in ["LoRA, r 4, alpha 8", "fixtures/tiny-gpt2", "c_attn, c_proj, c_fc"] {
      #expect(result.output.contains(text))
    }
  }

  @Test func inspectWritesTheDocumentedJSON() throws {
    let result = try Command.adapter("inspect", file, "--json")
    let answer = try JSONFields(Array(result.output.utf8))
    #expect(
      answer.keys == [
        "schema", "path", "format", "bytes", "manifest_digest", "generator", "metadata", "base",
        "adapters",
      ])
    #expect(answer["schema"] == .string("adapter.inspect/1"))
  }

  @Test func verifySaysOK() throws {
    let result = try Command.adapter("verify", file)
    #expect(result.status == 0)
    #expect(result.output.contains(": ok, manifest "))
    #expect(result.errors.isEmpty)
  }

  @Test func mergeOfAFileWritesAFileAndAReceipt() throws {
    let base = Repository.base("tiny-gpt2").appending("model.safetensors").string
    let out = folder.appending("merged.safetensors")
    let result = try Command.adapter("merge", base, file, "-o", out.string)
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.isEmpty)
    #expect(result.errors.contains("8 tensors changed (24,576 parameters), 20 untouched"))
    #expect(result.errors.contains("matches in every sample"))
    #expect(folder.names == ["lora.adp", "merged.safetensors"])
  }

  @Test func mergeOfAFolderKeepsShardsAndCopiesTheRest() throws {
    let base = Repository.base("tiny-llama")
    let out = folder.appending("merged")
    let result = try Command.adapter(
      "merge", base.string, Repository.peft("llama_all").string, "-o", out.string, "--json")
    #expect(result.status == 0)
    #expect(result.output.contains(#""schema": "adapter.merge/1""#))
    let names = try FileManager.default.contentsOfDirectory(atPath: base.string).sorted()
    #expect(out.names == (names + ["README.md"]).sorted())
    for name in names where !name.hasSuffix(".safetensors") {
      #expect(try out.appending(name).contents == base.appending(name).contents)
    }
  }

  @Test(arguments: [
    ["inspect"], ["merge", "a"], ["frobnicate"], ["convert", "x", "--force"], ["inspect", "--x"],
  ])
  func wrongUsageEndsWith64(_ arguments: [String]) throws {
    let result = try Command.run(Command.adapter, arguments)
    #expect(result.status == 64)
    #expect(result.output.isEmpty)
    #expect(result.errors.hasPrefix("adapter: error: "))
  }

  @Test(arguments: [[], ["--help"], ["merge", "--help"], ["--version"]])
  func helpIsAResult(_ arguments: [String]) throws {
    let result = try Command.run(Command.adapter, arguments)
    #expect(result.status == 0)
    #expect(result.errors.isEmpty)
    #expect(!result.output.isEmpty)
  }

  @Test func aClosedPipeIsNoError() throws {
    let script =
      "\(Command.adapter) inspect \(Repository.base("tiny-gpt2")) | head -c 1; "
      + "exit ${PIPESTATUS[0]}"
    #expect(try Command.run("/bin/bash", ["-c", script]).status == 0)
  }

  /// A name that would clear the screen and turn the text around.
  @Test func namesFromFilesAreEscaped() throws {
    let source = try folder.copy(Repository.peft("gpt2_default"), to: "peft")
    try folder.edit(
      "peft/adapter_config.json", "fixtures/tiny-gpt2", "\\u001b[2J\\u202e\\u0007evil")
    let hostile = folder.appending("hostile.adp").string
    _ = try Command.adapter("convert", source.string, "-o", hostile)
    let result = try Command.adapter("inspect", hostile)
    #expect(result.output.contains("\\u{1b}[2J\\u{202e}\\u{7}evil"))
    #expect(!result.output.unicodeScalars.contains { $0 == "\u{1B}" || $0 == "\u{202E}" })
  }

  @Test func severalAdaptersNeedAName() throws {
    let path = Repository.fixtures.appending("valid").appending("adapters.adp").string
    let out = folder.appending("out").string
    let result = try Command.adapter("merge", Repository.base("tiny-gpt2").string, path, "-o", out)
    #expect(result.status == 2)
    #expect(result.errors.contains("several adapters"))
  }
}
