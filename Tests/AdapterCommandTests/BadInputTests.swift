import Foundation
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// One line that says what and where, the exit status, nothing on standard output, no file.
private func expectRefusal(
  _ result: CommandResult, status: Int32 = 2, says: String, leaves names: [String],
  in folder: TemporaryFolder, _ location: SourceLocation = #_sourceLocation
) {
  let lines = result.errors.split(separator: "\n")
  let errors = lines.filter { $0.hasPrefix("adapter: error: ") }
  #expect(result.status == status, "\(result.errors)", sourceLocation: location)
  #expect(errors.count == 1, "\(result.errors)", sourceLocation: location)
  #expect(errors.first?.contains(says) == true, "\(result.errors)", sourceLocation: location)
  #expect(result.output.isEmpty, sourceLocation: location)
  #expect(folder.names == names.sorted(), sourceLocation: location)
}

@Suite struct DamagedFileTests {
  private let folder: TemporaryFolder
  private let file: FilePath

  init() throws {
    folder = try TemporaryFolder()
    file = folder.appending("a.adp")
    let result = try Command.adapter(
      "convert", Repository.peft("gpt2_default").string, "-o", file.string)
    #expect(result.status == 0)
  }

  private func expectRefused(_ bytes: [UInt8], verify status: Int32, says: String) throws {
    try folder.write(bytes, to: "a.adp")
    let path = file.string
    let out = folder.appending("out").string
    let base = Repository.base("tiny-gpt2").string
    expectRefusal(
      try Command.adapter("verify", path), status: status, says: says, leaves: ["a.adp"],
      in: folder)
    expectRefusal(
      try Command.adapter("merge", base, path, "-o", out), says: says, leaves: ["a.adp"], in: folder
    )
    expectRefusal(
      try Command.adapter("convert", path, "-o", out), says: says, leaves: ["a.adp"], in: folder)
  }

  @Test(arguments: ["empty", "header", "payload", "manifest", "footer", "end"])
  func aTruncatedFileIsRefused(_ place: String) throws {
    let bytes = try file.contents
    let footer = bytes.count - 64
    let manifest = bytes[footer..<footer + 8].reversed().reduce(0) { $0 << 8 | Int($1) }
    let count =
      switch place {
      case "empty": 0
      case "header": 16
      case "payload": manifest / 2
      case "manifest": manifest
      case "footer": footer
      default: bytes.count - 1
      }
    try expectRefused(Array(bytes.prefix(count)), verify: 1, says: "cut short")
  }

  @Test func aFlippedByteInTheHeaderIsRefused() throws {
    var bytes = try file.contents
    bytes[1] ^= 0xFF
    try expectRefused(bytes, verify: 2, says: "not an .adp file")
    bytes[1] ^= 0xFF
    bytes[8] = 2
    try expectRefused(bytes, verify: 2, says: "version 2")
  }

  @Test(arguments: [(20, "checksum"), (-65, "frame"), (-64, "footer"), (-40, "digest")])
  func aFlippedByteIsRefused(_ place: Int, _ says: String) throws {
    var bytes = try file.contents
    bytes[place >= 0 ? place : bytes.count + place] ^= 0x01
    try expectRefused(bytes, verify: 1, says: says)
  }

  /// A tensor whose bytes decode, with right checksums, to others than its digest is not used by any command ([STR-7]).
  @Test(arguments: ["digest_wrong", "rotation_missing", "planes_reversed"])
  func aTensorThatIsUsedIsChecked(_ name: String) throws {
    let source = Repository.fixtures.appending("invalid").appending("tensor").appending(
      "\(name).adp")
    try folder.write(try source.contents, to: "a.adp")
    var base = HandMadeCheckpoint()
    base.add("layer.weight", [2, 2], [1, 2, 3, 4])
    let baseFolder = try TemporaryFolder()
    _ = try base.write(to: baseFolder)
    let (path, out) = (file.string, folder.appending("out").string)
    let model = baseFolder.path.appending("model.safetensors").string
    for words in [
      ["merge", model, path, "-o", out + ".safetensors"], ["merge", model, path, "--dry-run"],
      ["check", model, path], ["unpack", path, "-o", out], ["convert", path, "-o", out],
      ["inspect", path], ["inspect", path, "--base", model],
      ["pack", path, "-o", out, "--level", "max"],
    ] {
      let result = try Command.run(Command.adapter, words)
      #expect(result.status == 2, "\(words): \(result.output)")
      #expect(result.errors.contains("does not have its digest"), "\(words): \(result.errors)")
      #expect(folder.names == ["a.adp"], "\(words)")
    }
  }

  @Test(arguments: [
    ("<!DOCTYPE html><html><body>404</body></html>", "web page"),
    ("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git-lfs"),
    ("PK\u{3}\u{4}", "pickle"),
  ])
  func anotherFileIsNamedForWhatItIs(_ text: String, _ hint: String) throws {
    try expectRefused(Array(text.utf8), verify: 2, says: "not an .adp file")
    let result = try Command.adapter("inspect", file.string)
    #expect(result.status == 2)
    #expect(result.errors.contains("hint: ") && result.errors.contains(hint))
  }
}

@Suite struct BadAdapterTests {
  private let folder: TemporaryFolder
  private let source: FilePath

  init() throws {
    folder = try TemporaryFolder()
    source = try folder.copy(Repository.peft("gpt2_default"), to: "peft")
  }

  private func expectRefused(_ says: String) throws {
    let out = folder.appending("out.adp").string
    expectRefusal(
      try Command.adapter("convert", source.string, "-o", out), says: says, leaves: ["peft"],
      in: folder)
  }

  @Test(arguments: [
    (#""peft_type": "LORA""#, #""peft_type": "QUANTUM""#, "QUANTUM"),
    (#""lora_alpha": 32,"#, "", "lora_alpha: missing"), (#""r": 8,"#, #""r": 0,"#, "r: must be"),
    ("{", "", "bad JSON"), (#""r": 8,"#, #""r": 8, "r": 8,"#, "duplicate key"),
    (#""r": 8,"#, #""r": 8, "shiny": [1],"#, "shiny"),
  ])
  func aBadConfigurationIsRefused(_ old: String, _ new: String, _ says: String) throws {
    try folder.edit("peft/adapter_config.json", old, new)
    try expectRefused(says)
  }

  @Test func aMissingConfigurationIsRefused() throws {
    try FileManager.default.removeItem(atPath: source.appending("adapter_config.json").string)
    try expectRefused("no adapter_config.json")
  }

  @Test func aPickleAloneIsRefusedWithTheWayOut() throws {
    try FileManager.default.removeItem(
      atPath: source.appending("adapter_model.safetensors").string)
    try folder.write([0x50, 0x4B], to: "peft/adapter_model.bin")
    try expectRefused("pickle")
    let result = try Command.adapter("convert", source.string, "-o", "x.adp")
    #expect(result.errors.contains("hint: in Python: safetensors.torch.save_file"))
  }

  @Test(arguments: ["lora_A", "lora_B"])
  func oneOfAAndBAloneIsRefused(_ part: String) throws {
    try folder.rename(
      in: "peft/adapter_model.safetensors", "h.1.attn.c_attn.\(part)", to: "h.7.attn.c_attn.\(part)"
    )
    try expectRefused("and no lora_")
  }

  @Test func valuesThatAreNotFiniteAreNamedAndNotMerged() throws {
    try folder.overwriteEnd(of: "peft/adapter_model.safetensors", with: [0, 0, 0xC0, 0x7F])
    let file = folder.appending("a.adp").string
    let converted = try Command.adapter("convert", source.string, "-o", file)
    #expect(converted.status == 0)
    #expect(converted.errors.contains("NaN or infinity in base_model.model.transformer.h.1"))
    let inspected = try Command.adapter("inspect", file)
    #expect(inspected.output.contains("✘ NaN or infinity in"))
    let base = Repository.base("tiny-gpt2").string
    let out = folder.appending("out").string
    expectRefusal(
      try Command.adapter("merge", base, file, "-o", out), says: "holds a NaN or an infinity",
      leaves: ["a.adp", "peft"], in: folder)
    #expect(try Command.adapter("merge", base, file, "-o", out, "--allow-non-finite").status == 0)
  }

  @Test func anOutputThatIsAnInputIsRefused() throws {
    let result = try Command.adapter("convert", source.string, "-o", source.string, "--force")
    expectRefusal(result, says: "is one of the inputs", leaves: ["peft"], in: folder)
  }

  @Test func anOutputThatIsThereNeedsForce() throws {
    let out = try folder.write([1], to: "out.adp")
    let result = try Command.adapter("convert", source.string, "-o", out.string)
    expectRefusal(result, says: "exists", leaves: ["out.adp", "peft"], in: folder)
    #expect(try out.contents == [1])
    #expect(try Command.adapter("convert", source.string, "-o", out.string, "--force").status == 0)
  }

  @Test func aFolderThatCannotBeWrittenIsRefused() throws {
    let result = try Command.adapter("convert", source.string, "-o", "/proc/nothing/out.adp")
    expectRefusal(result, says: "cannot write", leaves: ["peft"], in: folder)
  }

  /// Files may grow to 40 KiB, and the output needs 117 kB.
  @Test func aFullDiskLeavesNothing() throws {
    let base = Repository.base("tiny-gpt2").string
    let out = folder.appending("out").string
    let script = "ulimit -f 40; exec \(Command.adapter) merge \(base) \(source) -o \(out)"
    let result = try Command.run("/bin/bash", ["-c", script])
    expectRefusal(result, says: "cannot write", leaves: ["peft"], in: folder)
  }
}

@Suite struct WrongBaseTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func merge(_ base: FilePath, _ name: String) throws -> CommandResult {
    try Command.adapter(
      "merge", base.string, Repository.peft(name).string, "-o", folder.appending("out").string)
  }

  @Test func aMissingTargetIsNamed() throws {
    let result = try merge(Repository.base("tiny-llama-f32"), "gpt2_default")
    expectRefusal(
      result, says: "no tensor for transformer.h.0.attn.c_attn.weight", leaves: [], in: folder)
  }

  @Test func aWrongShapeIsNamed() throws {
    let base = try folder.copy(Repository.base("tiny-llama-f32"), to: "base")
    try folder.rename(in: "base/model.safetensors", "[32,32]", to: "[16,64]")
    let result = try merge(base, "llama_patterns")
    expectRefusal(result, says: "proj.weight has shape [16, 64]", leaves: ["base"], in: folder)
  }

  @Test func anotherBaseIsRefusedByItsSamples() throws {
    let file = folder.appending("a.adp").string
    let base = try folder.copy(Repository.base("tiny-llama-f32"), to: "base")
    #expect(
      try Command.adapter(
        "convert", Repository.peft("llama_rslora").string, "-o", file, "--base", base.string
      ).status == 0)
    let bytes = try base.appending("model.safetensors").contents
    try folder.write(bytes.dropLast(4) + [0, 0, 1, 1], to: "base/model.safetensors")
    let result = try Command.adapter(
      "merge", base.string, file, "-o", folder.appending("out").string)
    expectRefusal(result, says: "wrong base", leaves: ["a.adp", "base"], in: folder)
  }

  /// 60,000 in F16 plus a change of the same size has no number there.
  @Test func anOverflowIsRefused() throws {
    let base = try folder.copy(Repository.base("tiny-llama-f16"), to: "base")
    let adapter = try folder.copy(Repository.peft("llama_f16"), to: "peft")
    try folder.edit("peft/adapter_config.json", #""lora_alpha": "#, #""lora_alpha": 99999999"#)
    let result = try Command.adapter(
      "merge", base.string, adapter.string, "-o", folder.appending("out").string)
    expectRefusal(result, says: "is not finite in F16", leaves: ["base", "peft"], in: folder)
  }

  @Test(arguments: ["prepend_embeddings", "prepend_kv", "add_something_new"])
  func anOperationThatDoesNotMergeIsNamed(_ op: String) throws {
    let bytes = try AdapterBuilder.file(operation: op)
    let file = try folder.write(bytes, to: "a.adp")
    let result = try Command.adapter(
      "merge", Repository.base("tiny-gpt2").string, file.string, "-o",
      folder.appending("out").string)
    expectRefusal(result, says: op, leaves: ["a.adp"], in: folder)
  }

  @Test func theBaseIsNeverTheOutput() throws {
    let base = try folder.copy(Repository.base("tiny-gpt2"), to: "base")
    let before = try base.appending("model.safetensors").contents
    let adapter = Repository.peft("gpt2_default").string
    for output in [base, base.appending("model.safetensors")] {
      let result = try Command.adapter(
        "merge", base.string, adapter, "-o", output.string, "--force")
      expectRefusal(result, says: "is one of the inputs", leaves: ["base"], in: folder)
    }
    #expect(try base.appending("model.safetensors").contents == before)
  }
}
