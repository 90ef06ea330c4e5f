import AdapterFormat
import Checkpoints
import Foundation
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// A folder of one adapter, a LoRA of GPT-2, made by `unpack`.
@Suite struct UnpackedFolderTests {
  private let folder: TemporaryFolder
  private let base = Repository.base("tiny-gpt2").appending("model.safetensors")

  init() throws {
    folder = try TemporaryFolder()
    let file = folder.appending("a.adp").string
    let converted = try Command.adapter(
      "convert", Repository.peft("gpt2_default").string, "-o", file, "--base", base.string)
    #expect(converted.status == 0, "\(converted.errors)")
    #expect(try unpack("a.adp").status == 0)
  }

  private func unpack(_ file: String, force: Bool = false) throws -> CommandResult {
    let arguments = ["unpack", folder.appending(file).string, "-o", path("f")]
    return try Command.run(Command.adapter, arguments + (force ? ["--force"] : []))
  }

  private func path(_ name: String) -> String { folder.appending(name).string }

  private func expectRefused(_ says: String) throws {
    let result = try Command.adapter("pack", path("f"), "-o", path("out.adp"))
    #expect(result.status == 2, "\(result.errors)")
    #expect(result.output.isEmpty)
    #expect(result.errors.contains(says), "\(result.errors)")
    #expect(!folder.appending("out.adp").exists)
  }

  @Test func aScaleThatIsEditedCountsInAMergeAndOnTheWayBack() throws {
    try folder.edit("f/manifest.json", #""scale": 4.0,"#, #""scale": -2.5,"#)
    try folder.edit("f/manifest.json", #""scale": 4.0,"#, #""scale": -2.5,"#)
    let packed = try Command.adapter("pack", path("f"), "-o", path("b.adp"))
    #expect(packed.status == 0, "\(packed.errors)")
    for name in ["a", "b"] {
      let merged = try Command.adapter(
        "merge", base.string, path("\(name).adp"), "-o", path("\(name).safetensors"))
      #expect(merged.status == 0, "\(merged.errors)")
    }
    let stored = try Checkpoint(base)
    let first = try Checkpoint(folder.appending("a.safetensors"))
    let second = try Checkpoint(folder.appending("b.safetensors"))
    let name = try #require(try changedName(stored, first))
    for (old, (before, after)) in zip(
      try values(stored, name), zip(try values(first, name), try values(second, name)))
    {
      // The change is -2.5 / 4 of what it was, each rounded once.
      #expect(abs((after - old) - (before - old) * -0.625) <= 0x1p-20 * max(1, abs(old)))
    }
    let back = try Command.adapter("convert", path("b.adp"), "-o", path("peft"))
    #expect(back.status == 0)
    #expect(
      back.errors.contains("written from the operations, which are not those of the recorded"))
    let same = try Command.adapter("diff", path("b.adp"), path("peft"), "--quiet")
    #expect(same.status == 0, "\(same.errors)")
  }

  private func changedName(_ old: Checkpoint, _ new: Checkpoint) throws -> String? {
    try old.tensors.map(\.info.name.text).first { try values(old, $0) != values(new, $0) }
  }

  private func values(_ checkpoint: Checkpoint, _ name: String) throws -> [Float] {
    let tensor = try #require(checkpoint.tensors.first { $0.info.name.text == name })
    let bytes = try tensor.contents()
    return stride(from: 0, to: bytes.count, by: 4).map { start in
      Float(bitPattern: bytes[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }
  }

  @Test(arguments: [
    (#""generator""#, #""base": {}, "generator""#, "duplicate key \"base\""),
    (#""generator""#, #""x": "# + String(repeating: "[", count: 99) + #", "generator""#, "nested"),
    (#""default""#, #""../default""#, "is not an adapter name"),
    (#""default""#, #"".""#, "is not an adapter name"),
    (#""layout": "in_out","#, "", "no \"layout\""),
    (#""layout": "in_out""#, #""layout": "inout""#, "layout"),
    (#""method": "lora","#, "", "an adapter has no \"method\""),
    (#""method": "lora","#, #""method": "lora", "nonfinite": ["x"],"#, "packing finds that out"),
    (
      #""method": "lora","#,
      #""method": "lora", "streams": [{"dtype": "F32", "code": "planes", "chunk": 1024, "#
        + #""tensors": [{"name": "t", "shape": [0], "sha256": ""#
        + String(repeating: "0", count: 64) + #""}], "chunks": []}],"#, "is not opaque"
    ),
    (#""generator""#, #""requires": ["tomorrow"], "generator""#, "needs \"tomorrow\""),
    ("{", "", "expected an object"),
  ])
  func aBadManifestIsRefusedByItsPlace(_ old: String, _ new: String, _ says: String) throws {
    try folder.edit("f/manifest.json", old, new)
    try expectRefused(says)
    try expectRefused("f/manifest.json: ")
  }

  @Test func tensorsAndNamesMustMeet() throws {
    let tensor = "base_model.model.transformer.h.0.attn.c_attn.lora_A.weight"
    try folder.rename(in: "f/tensors.safetensors", tensor, to: tensor + "2")
    try expectRefused("has no tensor \(tensor)")
    try folder.edit("f/manifest.json", tensor, tensor.replacing("h.0", with: "h.1"))
    try expectRefused("tensor \(tensor)2 is neither used nor listed as inert")
  }

  @Test func aSafetensorsFileWithAHoleIsRefused() throws {
    let bytes = try folder.appending("f/tensors.safetensors").contents
    try folder.write(bytes + [0, 0, 0, 0], to: "f/tensors.safetensors")
    try expectRefused("4 bytes after the last tensor")
    try folder.write(bytes.dropLast(4), to: "f/tensors.safetensors")
    try expectRefused("cut short")
    try FileManager.default.removeItem(atPath: path("f/tensors.safetensors"))
    try expectRefused("f/tensors.safetensors: no such file")
  }

  @Test(arguments: ["manifest.json", "tensors.safetensors"])
  func aLinkIsNotFollowed(_ name: String) throws {
    try FileManager.default.moveItem(atPath: path("f/\(name)"), toPath: path("elsewhere"))
    try FileManager.default.createSymbolicLink(
      atPath: path("f/\(name)"), withDestinationPath: path("elsewhere"))
    try expectRefused("is a symbolic link")
  }

  @Test func theFolderItselfMayBeALink() throws {
    try FileManager.default.createSymbolicLink(
      atPath: path("link"), withDestinationPath: path("f"))
    #expect(try Command.adapter("pack", path("link"), "-o", path("b.adp")).status == 0)
    #expect(
      try folder.appending("a.adp").contents == folder.appending("b.adp").contents)
  }

  @Test func theInputsAreNotTheOutput() throws {
    for name in ["f/manifest.json", "f/tensors.safetensors"] {
      let result = try Command.adapter("pack", path("f"), "-o", path(name), "--force")
      #expect(result.status == 2 && result.errors.contains("is one of the inputs"))
    }
    let result = try Command.adapter("unpack", path("a.adp"), "-o", path("a.adp"), "--force")
    #expect(result.status == 2 && result.errors.contains("is one of the inputs"))
  }

  @Test func aFolderIsReplacedOnlyWithForceAndWithNothingElseInIt() throws {
    #expect(try unpack("a.adp").errors.contains("hint: to replace it: --force"))
    #expect(try unpack("a.adp", force: true).status == 0)
    try folder.write([1], to: "f/notes.txt")
    let result = try unpack("a.adp", force: true)
    #expect(result.status == 2 && result.errors.contains("holds notes.txt"))
    #expect(folder.appending("f/notes.txt").exists)
  }

  @Test func aDamagedFileIsNotUnpacked() throws {
    var bytes = try folder.appending("a.adp").contents
    bytes[40] ^= 1
    try folder.write(bytes, to: "bad.adp")
    let result = try Command.adapter("unpack", path("bad.adp"), "-o", path("out"))
    #expect(result.status == 2 && result.errors.contains("checksum"))
    #expect(folder.names == ["a.adp", "bad.adp", "f"])
  }
}

/// Folders with a sub-folder for each adapter.
@Suite struct SubfolderTests {
  private let folder: TemporaryFolder
  private let several = Repository.fixtures.appending("valid").appending("adapters.adp").string

  init() throws {
    folder = try TemporaryFolder()
  }

  private func path(_ name: String) -> String { folder.appending(name).string }

  private func files() -> [String] {
    Repository.files(below: folder.appending("f"), suffix: "").map(\.string)
      .filter { $0.hasSuffix(".safetensors") || $0.hasSuffix(".json") }
  }

  @Test func eachAdapterHasOne() throws {
    #expect(try Command.adapter("unpack", several, "-o", path("f")).status == 0)
    #expect(files().count == 6)
    #expect(folder.appending("f/a.b-c/tensors.safetensors").exists)
    // One of them is as a file with one adapter.
    #expect(try Command.adapter("unpack", several + "#a.b-c", "-o", path("g")).status == 0)
    #expect(folder.appending("g/tensors.safetensors").exists)
    #expect(try Command.adapter("pack", path("g"), "-o", path("one.adp")).status == 0)
  }

  @Test func forceReplacesThemAndNothingElse() throws {
    #expect(try Command.adapter("unpack", several, "-o", path("f")).status == 0)
    try folder.write([1], to: "f/_/tensors.safetensors")
    #expect(try Command.adapter("unpack", several, "-o", path("f"), "--force").status == 0)
    #expect(try Command.adapter("pack", path("f"), "-o", path("back.adp")).status == 0)
    try folder.write([1], to: "f/_/mine.txt")
    let result = try Command.adapter("unpack", several, "-o", path("f"), "--force")
    #expect(result.status == 2 && result.errors.contains("holds _/mine.txt"))
    #expect(folder.appending("f/_/mine.txt").exists)
    // A single adapter would leave the sub-folders behind.
    let single = try Command.adapter("unpack", several + "#_", "-o", path("f"), "--force")
    #expect(single.status == 2 && single.errors.contains("which would be lost"))
    #expect(folder.names == ["back.adp", "f"])
  }

  @Test func aSubfolderThatIsALinkIsNotFollowed() throws {
    #expect(try Command.adapter("unpack", several, "-o", path("f")).status == 0)
    try FileManager.default.moveItem(atPath: path("f/_"), toPath: path("elsewhere"))
    try FileManager.default.createSymbolicLink(
      atPath: path("f/_"), withDestinationPath: path("elsewhere"))
    let packed = try Command.adapter("pack", path("f"), "-o", path("out.adp"))
    #expect(packed.status == 2 && packed.errors.contains("f/_ is a symbolic link"))
    let unpacked = try Command.adapter("unpack", several, "-o", path("f"), "--force")
    #expect(unpacked.status == 2 && unpacked.errors.contains("holds _, which would be lost"))
    #expect(folder.appending("elsewhere/tensors.safetensors").exists)
    #expect(folder.names == ["elsewhere", "f"])
  }

  /// BitFit's tensors are differences with the names of biases; alone they look like values.
  @Test func tensorsAreNotTakenForAnAdapterWithoutTheirManifest() throws {
    let base = Repository.base("tiny-bias").string
    let tuned = Repository.fixtures.appending("bitfit/f32_small/tuned.safetensors").string
    let file = path("a.adp")
    #expect(
      try Command.adapter("extract", base, tuned, "-o", file, "--method", "bitfit").status == 0)
    #expect(try Command.adapter("unpack", file, "-o", path("f")).status == 0)
    #expect(try Command.adapter("pack", "x=\(file)", "y=\(file)", "-o", path("b.adp")).status == 0)
    #expect(try Command.adapter("unpack", path("b.adp"), "-o", path("g")).status == 0)
    for name in ["f", "f/tensors.safetensors", "g/x", "g/x/tensors.safetensors"] {
      for arguments in [
        ["merge", base, path(name), "-o", path("out")],
        ["convert", path(name), "-o", path("out")],
      ] {
        let result = try Command.run(Command.adapter, arguments)
        #expect(result.status == 2 && result.errors.contains("is of an unpacked adapter"))
        #expect(result.errors.contains("hint: first: adapter pack FOLDER"))
      }
    }
    #expect(folder.names == ["a.adp", "b.adp", "f", "g"])
  }

  /// On a file system without case these would be one folder, or a file and a folder of one name.
  @Test(arguments: [["a", "A"], ["Manifest.JSON", "b"]])
  func namesThatAFileSystemCannotTellApartAreRefused(_ names: [String]) throws {
    let adapters = names.map { #"{"name":"\#($0)","method":"m","operations":[],"streams":[]}"# }
    let manifest = #"{"adapters":[\#(adapters.joined(separator: ","))]}"#
    try folder.write(HandMade.file(manifest: manifest), to: "x.adp")
    let result = try Command.adapter("unpack", path("x.adp"), "-o", path("f"))
    #expect(result.status == 2 && result.errors.contains("cannot both be in one folder"))
    #expect(result.errors.contains("hint: unpack them one by one"))
    #expect(folder.names == ["x.adp"])
    let one = try Command.adapter("unpack", path("x.adp") + "#\(names[0])", "-o", path("f"))
    #expect(one.status == 0, "\(one.errors)")
  }

  @Test func opaqueBytesMustBeTheirs() throws {
    let file = Repository.fixtures.appending("valid").appending("opaque_code.adp").string
    #expect(try Command.adapter("unpack", file, "-o", path("f")).status == 0)
    var bytes = try folder.appending("f/opaque.bin").contents
    bytes[0] ^= 1
    try folder.write(bytes, to: "f/opaque.bin")
    let damaged = try Command.adapter("pack", path("f"), "-o", path("out.adp"))
    #expect(damaged.status == 2 && damaged.errors.contains("checksum"))
    try folder.write(bytes + [0], to: "f/opaque.bin")
    let long = try Command.adapter("pack", path("f"), "-o", path("out.adp"))
    #expect(long.status == 2 && long.errors.contains("the opaque streams have"))
    #expect(folder.names == ["f"])
  }
}
