import Checkpoints
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing

/// Names of models in the cache that the Hugging Face libraries keep.
@Suite struct ModelCacheTests {
  private static let commit = String(repeating: "0a", count: 20)
  private let folder: TemporaryFolder
  private let model: FilePath

  init() throws {
    folder = try TemporaryFolder()
    model = folder.appending("hub/models--org--name")
    for sub in ["blobs", "refs/refs/pr", "snapshots/\(Self.commit)"] {
      try FileManager.default.createDirectory(
        atPath: model.appending(sub).string, withIntermediateDirectories: true)
    }
    try write("refs/main", "\(Self.commit)\n")
    try write("refs/v1.0", Self.commit)
    try write("refs/refs/pr/7", Self.commit)
    try write("blobs/abc", "weights")
    try link("../../blobs/abc", "snapshots/\(Self.commit)/model.safetensors")
  }

  private func write(_ name: String, _ text: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: model.appending(name).string))
  }

  private func link(_ target: String, _ name: String) throws {
    try FileManager.default.createSymbolicLink(
      atPath: model.appending(name).string, withDestinationPath: target)
  }

  private var cache: ModelCache { ModelCache(folder.appending("hub")) }

  @Test(arguments: [
    "org/name", "org/name@main", "org/name@v1.0", "org/name@refs/pr/7", "org/name@\(commit)",
  ])
  func aNameIsItsSnapshot(_ argument: String) throws {
    let found = try cache.model(argument)
    #expect(found?.commit == Self.commit && found?.name == "org/name")
    #expect(found?.folder == model.appending("snapshots").appending(Self.commit))
  }

  /// Old models have a name of one part: where the cache has it, or a revision says that it is a name.
  @Test func aNameOfOnePart() throws {
    #expect(try cache.model("gpt2") == nil)
    #expect(throws: ModelCache.Missing.self) { _ = try cache.model("gpt2@main") }
    try FileManager.default.copyItem(
      atPath: model.string, toPath: folder.appending("hub/models--gpt2").string)
    #expect(try cache.model("gpt2")?.name == "gpt2")
    #expect(try cache.model("gpt2@v1.0")?.commit == Self.commit)
  }

  /// What huggingface_hub lists of a commit: sizes of all files, those that were not asked for too.
  @Test(arguments: [
    (#"{"size": 134, "lfs_size": 7}"#, nil), (#"{"size": 7}"#, nil),
    (#"{"size": 8}"#, "model.safetensors has 7 bytes of 8"),
  ])
  func aListedSizeIsChecked(_ entry: String, _ fault: String?) throws {
    try FileManager.default.createDirectory(
      atPath: model.appending("trees").string, withIntermediateDirectories: true)
    func list(_ more: String, version: Int = 1) throws {
      try write(
        "trees/\(Self.commit).json",
        #"{"format_version": \#(version), "files": {"model.safetensors": \#(entry)\#(more)}}"#)
    }
    func found() throws -> String? {
      do throws(ModelCache.Missing) {
        _ = try cache.model("org/name")
        return nil
      } catch {
        return error.description.split(separator: ": ").last.map(String.init)
      }
    }
    try list(#", "model.onnx": {"size": 1}"#)
    #expect(try found() == fault)
    try list("", version: 2)
    #expect(try found() == nil)
    guard fault == nil else { return }
    try list(#", "config.json": {"size": 1}"#)
    #expect(try found() == "config.json is missing")
  }

  @Test(arguments: [
    "name", "org/name/x", "/org/name", "org/na--me", "org/..", "-org/name", "org/name.git", "org/",
    "./name",
    "org/na me", "org/name@",
  ])
  func otherWordsAreNotNames(_ argument: String) throws {
    #expect(try cache.model(argument) == nil)
  }

  @Test(arguments: [
    ("org/other", "is not in the cache of models"),
    ("org/name@v9", "has no revision v9 of org/name"),
    ("org/name@0a0a", "has no revision"), ("org/name@../../x", "has no revision"),
    ("Org/name", "is not in the cache of models"),
  ])
  func whatIsNotThereIsSaid(_ argument: String, _ words: String) throws {
    let error = #expect(throws: ModelCache.Missing.self) { _ = try cache.model(argument) }
    #expect(error?.description.contains(words) == true)
  }

  @Test func aReferenceThatIsNoCommitIsRefused() throws {
    try write("refs/main", "../../..")
    #expect(throws: ModelCache.Missing.self) { _ = try cache.model("org/name") }
  }

  /// A download that was cut off, and a link that leads out.
  @Test func everyFileMustBeThereAndWithin() throws {
    try link("../../blobs/def", "snapshots/\(Self.commit)/config.json")
    var error = #expect(throws: ModelCache.Missing.self) { _ = try cache.model("org/name") }
    #expect(error?.description.contains("only in part: config.json is missing") == true)
    try write("blobs/def", "{}")
    #expect(try cache.model("org/name") != nil)
    try folder.write(Array("secret".utf8), to: "outside")
    try link("../../../../outside", "snapshots/\(Self.commit)/other")
    error = #expect(throws: ModelCache.Missing.self) { _ = try cache.model("org/name") }
    #expect(error?.description.contains("leads out of the cache") == true)
  }

  /// Files that all models share lie two links away.
  @Test func sharedFilesAreWithin() throws {
    let shared = folder.appending("hub/blobs/ab")
    try FileManager.default.createDirectory(
      atPath: shared.string, withIntermediateDirectories: true)
    try Data("x".utf8).write(to: URL(fileURLWithPath: shared.appending("abcd").string))
    try link("../../blobs/ab/abcd", "blobs/ghi")
    try link("../../blobs/ghi", "snapshots/\(Self.commit)/shared.json")
    #expect(try cache.model("org/name") != nil)
  }

  @Test(arguments: [
    (["HF_HUB_CACHE": "/a", "HF_HOME": "/b"], "/a"), (["HUGGINGFACE_HUB_CACHE": "/c"], "/c"),
    (["HF_HUB_CACHE": "", "HF_HOME": "~/x", "HOME": "/h"], "/h/x/hub"),
    (["XDG_CACHE_HOME": "$R/y", "R": "/r"], "/r/y/huggingface/hub"),
    (["HOME": "/h"], "/h/.cache/huggingface/hub"),
  ])
  func theEnvironmentSaysWhere(_ variables: [String: String], _ path: String) {
    #expect(ModelCache(environment: { variables[$0] }).path == FilePath(path))
  }
}
