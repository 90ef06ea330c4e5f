import AdapterFormat
import AdapterInterop
import AdapterRuntime
import Checkpoints
import Foundation
import Operations
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Merges into quantised bases of several shards, that stay quantised: each shard's codes are made when it is written, by
/// whatever process, though a parameter's tensors lie in several.
@Suite struct RequantisedPartsTests {
  private static let fixtures = Repository.fixtures.appending("quantised")
  static let shardCount = 3

  private let folder: TemporaryFolder
  private let lora: Adapter

  init() throws {
    folder = try TemporaryFolder()
    lora = try PEFTImport(PEFTFolder(Repository.fixtures.appending("quantised_lora"))).adapter
  }

  /// A base whose tensors are dealt out to shards, one after the other.
  private func dealtOut(
    _ name: String, into place: String = "base",
    _ edited: (Name, [UInt8]) -> [UInt8] = { $1 }
  ) throws -> Checkpoint {
    let base = try Checkpoint(Self.fixtures.appending(name))
    let shards = (1...Self.shardCount).map {
      "model-0000\($0)-of-0000\(Self.shardCount).safetensors"
    }
    var files = [HandMadeCheckpoint](repeating: HandMadeCheckpoint(), count: shards.count)
    var entries: [String] = []
    for (index, tensor) in base.tensors.enumerated() {
      let shard = index % shards.count
      files[shard].add(
        tensor.info.name, tensor.info.type, tensor.info.shape.dimensions,
        edited(tensor.info.name, try tensor.contents()))
      entries.append("\"\(tensor.info.name)\":\"\(shards[shard])\"")
    }
    try FileManager.default.createDirectory(
      atPath: folder.appending(place).string, withIntermediateDirectories: false)
    for (name, file) in zip(shards, files) { try folder.write(file.bytes, to: "\(place)/\(name)") }
    try folder.write(
      Array("{\"metadata\":{},\"weight_map\":{\(entries.joined(separator: ","))}}".utf8),
      to: "\(place)/model.safetensors.index.json")
    let config = Self.fixtures.appending(name).appending("config.json")
    if config.exists { try folder.write(config.contents, to: "\(place)/config.json") }
    return try Checkpoint(folder.appending(place)).dequantised(keepingCodes: true)
  }

  private func merge(_ base: Checkpoint) throws -> Merge {
    Merge(try AdaptedCheckpoint(base, applying: lora))
  }

  private func tensors(_ path: FilePath) throws -> [Name: [UInt8]] {
    Dictionary(
      uniqueKeysWithValues: try Checkpoint(path).tensors.map { ($0.info.name, try $0.contents()) })
  }

  @Test(arguments: RequantiseTests.known)
  func partsAreTheWhole(_ name: String) throws {
    let base = try dealtOut(name)
    let (whole, shared) = (folder.appending("whole"), folder.appending("shared"))
    let receipt = try merge(base).write(to: whole, replacing: false)
    #expect(receipt.isRequantised && receipt.survival.count == 2)
    let single = folder.appending("single")
    try merge(Checkpoint(Self.fixtures.appending(name)).dequantised(keepingCodes: true))
      .write(to: single, replacing: false)
    #expect(try tensors(whole) == tensors(single))

    var survival: [Name: Survival] = [:]
    for number in [3, 1, 2] {
      let part = try merge(base).write(
        to: shared, .part(number, of: Self.shardCount), replacing: false)
      #expect(part.shards.count == 1)
      survival.merge(part.survival) { first, _ in first }
    }
    for (name, whole) in receipt.survival {
      // Sums of doubles that threads make in any order.
      let own = try #require(survival[name])
      #expect(own.elementCount == whole.elementCount && own.changedCount == whole.changedCount)
      #expect(abs(own.keptEnergy - whole.keptEnergy) < 1e-9 && abs(own.along - whole.along) < 1e-9)
    }
    try merge(base).write(to: shared, .finish, replacing: false)
    #expect(try shared.files == whole.files)
    #expect(folder.names.sorted() == ["base", "shared", "single", "whole"])
  }

  /// A finished shard is proved by the codes that it holds, and nothing of it is worked out again.
  @Test func finishedCodesAreProved() throws {
    let base = try dealtOut("nf4_double")
    let target = folder.appending("out")
    let parts = try (1...Self.shardCount).map {
      try merge(base).write(to: target, .part($0, of: Self.shardCount), replacing: false)
    }
    let waiting = folder.appending(
      try #require(folder.names.first { $0.hasPrefix(".out.merge-") }))
    let shard = try #require(parts[0].shards.first)
    var bytes = try waiting.appending(shard).contents
    bytes[bytes.count - 1] ^= 1
    try waiting.appending(shard).write(bytes)
    let error = #expect(throws: AdapterError.self) {
      try merge(base).write(to: target, .finish, replacing: false)
    }
    #expect(error?.kind == .partsMissing && error?.places == [shard])
    let receipt = try merge(base).write(to: target, replacing: false)
    #expect(receipt.shards == [shard])
    #expect(receipt.resumedShards.count == Self.shardCount - 1)
    try merge(base).write(to: folder.appending("whole"), replacing: false)
    #expect(try target.files == folder.appending("whole").files)
  }

  /// Shards of two bases that differ in a tensor beside the codes, and in nothing else, are of two merges.
  @Test func whatIsBesideTheCodesIsPartOfTheBase() throws {
    let scale: Name = "model.layers.0.self_attn.q_proj.input_scale"
    func base(_ value: Float) throws -> Checkpoint {
      let name = "base-\(value)"
      guard !folder.names.contains(name) else {
        return try Checkpoint(folder.appending(name)).dequantised(keepingCodes: true)
      }
      _ = try dealtOut("fp8_channel", into: name) {
        $0 == scale ? HandMadeCheckpoint.bytes([value]) : $1
      }
      for file in try folder.appending(name).files.keys {
        try FileManager.default.setAttributes(
          [.modificationDate: Date(timeIntervalSince1970: 1_000_000_000)],
          ofItemAtPath: folder.appending("\(name)/\(file)").string)
      }
      return try base(value)
    }
    let target = folder.appending("out")
    for number in 1...Self.shardCount {
      try merge(base(1)).write(to: target, .part(number, of: Self.shardCount), replacing: false)
    }
    let error = #expect(throws: AdapterError.self) {
      try merge(base(77)).write(to: target, .finish, replacing: false)
    }
    #expect(error?.kind == .partsMissing)
    try merge(base(1)).write(to: target, .finish, replacing: false)
  }

  /// The bytes that are made and written add up to those there are, of a whole merge and of one that resumes.
  @Test func progressAddsUp() throws {
    let base = try dealtOut("gptq")
    for scope in [Merge.Scope.part(2, of: Self.shardCount), .all] {
      let done = Guarded<(count: Int, total: UInt64)>((0, 0))
      try merge(base).write(
        to: folder.appending("out"), scope, replacing: false,
        progress: { count, total in done.withLock { $0 = ($0.count + count, total) } },
        event: { if $0 == .writing { done.withLock { $0 = (0, 0) } } })
      let result = done.withLock(\.self)
      #expect(result.count > 0 && UInt64(result.count) == result.total)
    }
  }

  /// An adapter that changes no value is said to, of codes as of floats, and no byte is another: a zero has two signs.
  @Test(arguments: ["nf4", "nvfp4", "modelopt_nvfp4", "fp8_blocks", "fp4", "gptq"])
  func whatStaysIsSaid(_ name: String) throws {
    let base = try dealtOut(name)
    let view = try AdaptedCheckpoint(base, applying: [WeightedAdapter(lora, weight: 1e-30)])
    let receipt = try Merge(view).write(to: folder.appending("out"), replacing: false)
    #expect(receipt.unchanged == view.changedNames.sorted() && receipt.changed.isEmpty)
    #expect(receipt.quantised.allSatisfy { $0.changedCount == 0 } && receipt.isRequantised)
    #expect(try MergeSurvey(view).unchanged == receipt.unchanged)
    #expect(try tensors(folder.appending("out")) == tensors(base.path))
  }
}
