import AdapterInterop
import Foundation
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

extension PathContents {
  /// The case, and what it holds, in a word or two.
  fileprivate var words: String {
    switch self {
    case .adapterFile: "adp"
    case .unpackedAdapter: "unpacked"
    case .unpackedTensors: "unpacked tensors"
    case .foreign(let format): format.name
    case .checkpoint(nil): "checkpoint"
    case .checkpoint(let format?): "checkpoint or \(format.name)"
    case .stranger(let stranger): "\(stranger)"
    }
  }
}

/// What a path holds is decided by what is there, whatever it is called.
@Suite struct PathContentsTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func words(_ path: String) throws -> String {
    try PathContents(of: folder.appending(path)).words
  }

  @Test(arguments: ["a", "a.adp", "a.safetensors", "adapter.json"])
  func aFilesNameSaysNothing(_ name: String) throws {
    try folder.copy(Repository.fixtures.appending("valid/dtypes.adp"), to: name)
    #expect(try words(name) == "adp")
    try folder.copy(Repository.base("tiny-gpt2").appending("model.safetensors"), to: "c-\(name)")
    #expect(try words("c-\(name)") == "checkpoint")
  }

  @Test func aFolderIsWhatItHolds() throws {
    try folder.copy(Repository.peft("gpt2_default"), to: "peft")
    try folder.copy(Repository.base("tiny-llama"), to: "shards")
    try folder.copy(Repository.base("tiny-gpt2"), to: "file")
    for name in ["unpacked", "other"] {
      try FileManager.default.createDirectory(
        atPath: folder.appending(name).string, withIntermediateDirectories: false)
    }
    try folder.write(Array("{}".utf8), to: "unpacked/manifest.json")
    try folder.copy(
      Repository.base("tiny-gpt2").appending("model.safetensors"),
      to: "unpacked/tensors.safetensors")
    try folder.write([], to: "other/notes.txt")
    #expect(try words("peft") == "peft")
    #expect(try words("peft/adapter_config.json") == "peft")
    #expect(try words("peft/adapter_model.safetensors") == "peft")
    #expect(try words("shards") == "checkpoint")
    #expect(try words("shards/model.safetensors.index.json") == "checkpoint")
    #expect(try words("file") == "checkpoint")
    #expect(try words("unpacked") == "unpacked")
    #expect(try words("unpacked/manifest.json") == "unpacked")
    #expect(try words("unpacked/tensors.safetensors") == "unpacked tensors")
    #expect(try words("other") == "folder")
    #expect(try words("missing") == "absent")
  }

  /// Checkpoints that stand for an adapter, where one is asked for.
  @Test func someCheckpointsMayBeAdapters() throws {
    try folder.copy(Repository.peft("gpt2_p_mlp").appending("raw.safetensors"), to: "encoder")
    #expect(try words("encoder") == "checkpoint or prompt_encoder")
    var biases = HandMadeCheckpoint()
    biases.add("a.bias", .f32, [1], [0, 0, 0, 0])
    try folder.write(biases.bytes, to: "biases.bin")
    #expect(try words("biases.bin") == "checkpoint or biases")
  }

  @Test(arguments: [
    ("version https://git-lfs.github.com/spec/v1\n", "largeFilePointer"),
    ("<!DOCTYPE html>", "webPage"), ("<html>", "webPage"), ("PK\u{3}\u{4}", "archive"),
    ("text", "unknown"), ("", "unknown"),
  ])
  func aStrangerIsNamed(_ text: String, _ name: String) throws {
    try folder.write(Array(text.utf8), to: "x.adp")
    #expect(try words("x.adp") == name)
  }

  /// What is cut short before anything shows is its reader's to explain.
  @Test func anExtensionCountsWhereNothingShows() throws {
    try folder.write([1, 2, 3], to: "cut.safetensors")
    #expect(try words("cut.safetensors") == "checkpoint")
  }

  /// A pipe would be empty afterwards, and would be waited for.
  @Test func aPipeIsNotLookedInto() throws {
    let path = folder.appending("pipe.safetensors")
    let made = unsafe mkfifo(path.string, 0o600)
    #expect(made == 0)
    #expect(try words("pipe.safetensors") == "adp")
  }
}
