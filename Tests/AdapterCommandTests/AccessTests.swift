import Foundation
import SystemPackage
import TestSupport
import Testing

/// Who may read an output: nobody who may not read what it is made of, and who may use what it takes the place of.
@Suite struct AccessTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try folder.copy(Repository.base("tiny-gpt2"), to: "base")
    try folder.copy(Repository.peft("gpt2_default"), to: "peft")
    try folder.copy(Repository.base("tiny-gpt2").pushing("config.json"), to: "other.json")
    try FileManager.default.createDirectory(
      atPath: folder.appending("tokenizer").string, withIntermediateDirectories: false)
    try folder.write(Array(#"{"of": "another"}"#.utf8), to: "tokenizer/tokenizer.json")
  }

  /// The commands that write, what they read, and what they write.
  static let writers: [(command: String, inputs: [String], outputs: [String])] = [
    ("convert peft -o out.adp", ["peft/adapter_model.safetensors"], ["out.adp"]),
    ("convert lora.adp -o out", ["lora.adp"], ["out", "out/adapter_model.safetensors"]),
    (
      "unpack lora.adp -o out", ["lora.adp"],
      ["out", "out/manifest.json", "out/tensors.safetensors"]
    ),
    ("pack lora.adp -o out.adp", ["lora.adp"], ["out.adp"]),
    ("pack a=lora.adp b=other.adp -o out.adp", ["other.adp"], ["out.adp"]),
    ("merge base lora.adp -o out", ["base/model.safetensors"], ["out/model.safetensors"]),
    ("merge base lora.adp -o out", ["base"], ["out", "out/model.safetensors"]),
    ("merge base lora.adp -o out", ["lora.adp"], ["out", "out/model.safetensors"]),
    ("merge base lora.adp -o out", ["base/config.json"], ["out/config.json"]),
    ("merge base lora.adp -o out --config other.json", ["other.json"], ["out", "out/config.json"]),
    (
      "merge base lora.adp -o out --tokenizer tokenizer", ["tokenizer/tokenizer.json"],
      ["out", "out/tokenizer.json"]
    ),
    (
      "merge base/model.safetensors lora.adp -o out.safetensors --undo undo.adp",
      ["base/model.safetensors"], ["out.safetensors", "undo.adp"]
    ),
    ("inspect lora.adp --html out.html", ["lora.adp"], ["out.html"]),
    (
      "run base lora.adp --logits out.safetensors --token-ids 1,2", ["base/model.safetensors"],
      ["out.safetensors"]
    ),
  ]

  private func run(_ line: String, umask: String) throws {
    let result = try Command.shell("umask \(umask)\nadapter \(line)", in: folder.path)
    #expect(result.status == 0, "umask \(umask), \(line): \(result.errors)")
  }

  private func mode(_ name: String) throws -> Int {
    let path = folder.path.pushing(FilePath(name)).string
    let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
    return (mode as? NSNumber)?.intValue ?? -1
  }

  private func setMode(_ name: String, _ mode: Int) throws {
    try FileManager.default.setAttributes(
      [.posixPermissions: mode], ofItemAtPath: folder.path.pushing(FilePath(name)).string)
  }

  private func makeAdapters() throws {
    try run("convert peft -o lora.adp", umask: "022")
    try run("convert peft -o other.adp", umask: "022")
  }

  @Test(arguments: writers.indices, ["000", "022", "027", "077"])
  func aResultIsNotMoreOpenThanWhatItIsMadeOf(_ number: Int, _ umask: String) throws {
    let (command, inputs, outputs) = Self.writers[number]
    try makeAdapters()
    for (input, shared) in [(0o600, 0), (0o640, 0o040), (0o644, 0o044)] {
      for name in inputs {
        let isFolder = name == "base"
        try setMode(name, isFolder ? input | (input & 0o444) >> 2 : input)
      }
      try run(command, umask: umask)
      let mask = try #require(Int(umask, radix: 8))
      for output in outputs {
        let mode = try mode(output)
        #expect(mode & 0o044 == shared & ~mask, "\(output): \(String(mode, radix: 8))")
        #expect(mode & 0o600 == 0o600)
        #expect(mode & 0o022 == 0, "\(output): \(String(mode, radix: 8))")
      }
      for name in Set(folder.names).intersection([
        "out", "out.adp", "out.html", "undo.adp", "out.safetensors",
      ]) {
        try FileManager.default.removeItem(atPath: folder.appending(name).string)
      }
    }
  }

  @Test(arguments: [0o600, 0o640, 0o664, 0o444, 0o666], ["000", "077"])
  func whatIsReplacedKeepsItsMode(_ mode: Int, _ umask: String) throws {
    try makeAdapters()
    for (command, outputs) in [
      ("convert peft -o out.adp", ["out.adp"]),
      ("convert lora.adp -o out", ["out/adapter_config.json", "out/adapter_model.safetensors"]),
      ("merge base lora.adp -o merged", ["merged/model.safetensors", "merged/config.json"]),
      ("inspect lora.adp --html out.html", ["out.html"]),
    ] {
      try run(command, umask: "022")
      for output in outputs { try setMode(output, mode) }
      try run("\(command) --force", umask: umask)
      for output in outputs { #expect(try self.mode(output) == mode, "\(output)") }
    }
    try setMode("merged", 0o750)
    try run("merge base lora.adp -o merged --force", umask: umask)
    #expect(try self.mode("merged") == 0o750)
  }

  /// A private model does not become readable because there is a file that all may read.
  @Test func whatIsReplacedIsNotMoreOpenThanTheInputs() throws {
    try makeAdapters()
    try run("merge base/model.safetensors lora.adp -o out.safetensors", umask: "022")
    try setMode("base/model.safetensors", 0o600)
    try run("merge base/model.safetensors lora.adp -o out.safetensors --force", umask: "022")
    #expect(try mode("out.safetensors") == 0o600)
  }

  /// A folder that hands its group down goes on doing so.
  @Test func theBitThatHandsTheGroupDownStays() throws {
    try makeAdapters()
    let lines = """
      umask 022; mkdir shared; chmod 2775 shared; adapter unpack lora.adp -o shared/out
      [ -g shared/out ] && adapter unpack lora.adp -o shared/out --force && [ -g shared/out ]
      """
    let result = try Command.shell(lines, in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
  }

  /// Only the superuser gives files away.
  @Test(.enabled(if: geteuid() == 0))
  func whatIsReplacedKeepsItsOwner() throws {
    try makeAdapters()
    try run("convert lora.adp -o out", umask: "022")
    let names = ["lora.adp", "out", "out/adapter_config.json"]
    for name in names {
      #expect(unsafe chown(folder.path.pushing(FilePath(name)).string, 65534, 65534) == 0)
    }
    try setMode("lora.adp", 0o600)
    try run("convert peft -o lora.adp --force", umask: "022")
    try setMode("lora.adp", 0o644)
    try run("convert lora.adp -o out --force", umask: "022")
    for name in names {
      let path = folder.path.pushing(FilePath(name)).string
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      #expect((attributes[.ownerAccountID] as? NSNumber)?.intValue == 65534, "\(name)")
      #expect((attributes[.groupOwnerAccountID] as? NSNumber)?.intValue == 65534, "\(name)")
    }
  }
}
