import AdapterFormat
import AdapterInsight
import AdapterRuntime
import Checkpoints
import Foundation
import Operations
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// What a merge writes beside the base's own files: other element types, other shards, parts.
@Suite struct MergeOutputTests {
  private let folder: TemporaryFolder
  private let base: Checkpoint
  private let adapter: Adapter

  init() throws {
    folder = try TemporaryFolder()
    (adapter, base) = try open(try #require(PEFTCase.all.first { $0.name == "llama_all" }))
  }

  private func view(as type: ElementType? = nil) throws -> AdaptedCheckpoint {
    try AdaptedCheckpoint(base, applying: [WeightedAdapter(adapter)], as: type)
  }

  private func bytes(_ tensor: StoredTensor) throws -> [UInt8] {
    try tensor.contents()
  }

  /// Every float tensor is of the type, rounded once: within half of its last bit from the values in F64, the ones
  /// that no adapter changes too.
  @Test(arguments: [ElementType.f32, .bf16, .f16])
  func aResultMayBeOfAnotherType(_ type: ElementType) throws {
    let (plain, exact) = (try view(), try view(as: .f64))
    let converted = try view(as: type)
    try Merge(converted).write(to: folder.appending("out"), replacing: false)
    let merged = try Checkpoint(folder.appending("out"))
    #expect(Set(merged.names) == Set(base.names))
    for tensor in merged.tensors {
      #expect(
        tensor.info.type == type && tensor.info.shape == base.tensor(tensor.info.name)?.info.shape)
      let values = doubles(try bytes(tensor), type)
      let wanted = doubles(try #require(try exact.contents(of: tensor.info.name)), .f64)
      let size = wanted.map(abs).max() ?? 0
      for (value, wanted) in zip(values, wanted) {
        #expect(abs(value - wanted) <= halfStep(wanted, type) + 0x1p-21 * size)
      }
    }
    let own = try #require(base.tensors.first).info.type
    if type == own {
      try Merge(plain).write(to: folder.appending("plain"), replacing: false)
      #expect(try folder.appending("plain").files == folder.appending("out").files)
    } else {
      let config = String(
        decoding: try #require(try folder.appending("out").files["config.json"]), as: UTF8.self)
      let word = [.f32: "float32", .bf16: "bfloat16", .f16: "float16"][type] ?? ""
      #expect(config.contains("dtype\": \"\(word)\""), "\(config)")
    }
  }

  /// Other shards hold the same tensors, in order, as many as there is room for, and an index says where.
  @Test(arguments: [1, 9_000, 20_000, 1_000_000])
  func shardsMayBeOfAnotherSize(_ size: UInt64) throws {
    let view = try view()
    try Merge(view).write(to: folder.appending("plain"), replacing: false)
    try Merge(view, shardByteCount: size).write(to: folder.appending("out"), replacing: false)
    let (plain, merged) = (
      try Checkpoint(folder.appending("plain")), try Checkpoint(folder.appending("out"))
    )
    #expect(Set(plain.names) == Set(merged.names))
    for tensor in plain.tensors {
      #expect(try bytes(tensor) == bytes(try #require(merged.tensor(tensor.info.name))))
    }
    #expect(merged.tensors.map(\.info.name) == plain.tensors.map(\.info.name))
    for index in merged.shards.indices {
      let tensors = merged.tensors(inShard: index)
      let count = tensors.reduce(0) { $0 + UInt64($1.info.byteCount) }
      #expect(count <= size || tensors.count == 1)
    }
    let names = try folder.appending("out").files.keys.filter { $0.hasSuffix(".safetensors") }
      .sorted()
    if size == 1_000_000 {
      #expect(names == ["model.safetensors"] && merged.indexPath == nil)
    } else {
      #expect(names.first?.hasPrefix("model-00001-of-000") == true && merged.indexPath != nil)
    }
  }

  /// Parts that several processes write, in any order, are what one would have written; before the last of them there
  /// is nothing under the folder's name.
  @Test(arguments: 1...6)
  func partsTogetherAreTheWhole(_ count: Int) throws {
    let merge = Merge(try view())
    try merge.write(to: folder.appending("whole"), replacing: false)
    let target = folder.appending("parts")
    var written: [String] = []
    for number in (1...count).reversed() {
      if number < count || count == 1 {
        #expect(throws: AdapterError.self) {
          try merge.write(to: target, .finish, replacing: false)
        }
      }
      let receipt = try merge.write(to: target, .part(number, of: count), replacing: false)
      #expect(receipt.resumedShards.isEmpty)
      written += receipt.shards
      #expect(!FileManager.default.fileExists(atPath: target.string))
    }
    #expect(written.sorted() == base.shards.map(\.name))
    let receipt = try merge.write(to: target, .finish, replacing: false)
    #expect(receipt.shards.isEmpty && receipt.resumedShards == base.shards.map(\.name))
    #expect(try folder.appending("parts").files == folder.appending("whole").files)
    #expect(folder.names == ["parts", "whole"])
  }

  /// What earlier processes have finished is not written again; another merge does not take it.
  @Test func aMergeGoesOnWhereItWas() throws {
    let merge = Merge(try view())
    try merge.write(to: folder.appending("whole"), replacing: false)
    let target = folder.appending("out")
    let part = try merge.write(to: target, .part(2, of: 3), replacing: false)
    let other = try Merge(view(as: .f16)).write(to: folder.appending("out"), replacing: false)
    #expect(other.resumedShards.isEmpty)
    try FileManager.default.removeItem(atPath: target.string)
    let receipt = try merge.write(to: target, replacing: false)
    #expect(receipt.resumedShards == part.shards && !part.shards.isEmpty)
    #expect(Set(receipt.shards).isDisjoint(with: part.shards))
    #expect(try folder.appending("out").files == folder.appending("whole").files)
    #expect(folder.names == ["out", "whole"])
  }

  /// A base that changes while it is read gives no result, and leaves nothing.
  @Test func aBaseThatChangesMeanwhileIsRefused() throws {
    let copy = try folder.copy(base.path, to: "base")
    let changing = try Checkpoint(copy)
    let view = try AdaptedCheckpoint(changing, applying: [WeightedAdapter(adapter)])
    let shard = copy.appending(changing.shards[2].name)
    let error = #expect(throws: StorageError.self) {
      try Merge(view).write(to: folder.appending("out"), replacing: false) { _, _ in
        try? FileManager.default.setAttributes(
          [.modificationDate: Date(timeIntervalSince1970: 1_000)], ofItemAtPath: shard.string)
      }
    }
    #expect(error?.description.contains("was changed while it was read") == true)
    #expect(folder.names == ["base"])
  }

  /// What is said to survive is what is there afterwards, and in a narrow type it is less.
  @Test func whatSurvivesIsMeasured() throws {
    var kept: [ElementType: Double] = [:]
    for type in [ElementType.f32, .f16, .bf16] {
      let start = try AdaptedCheckpoint(base, applying: [], as: type)
      let name = "base-\(type.rawValue)"
      try Merge(start).write(to: folder.appending(name), replacing: false)
      let narrow = try Checkpoint(folder.appending(name))
      let stack = [WeightedAdapter(adapter, weight: 0.002)]
      let view = try AdaptedCheckpoint(narrow, applying: stack)
      let exact = try AdaptedCheckpoint(narrow, applying: stack, as: .f64)
      var total = (energy: 0.0, lost: 0.0)
      for (name, survival) in try MergeSurvey(view).survival {
        let before = try narrow.values(name)
        let wanted = doubles(try #require(try exact.contents(of: name)), .f64)
        let after = doubles(try #require(try view.contents(of: name)), type)
        let changed = zip(before, after).count { $0 != $1 }
        #expect(survival.elementCount == before.count)
        #expect(survival.changedShare == Double(changed) / Double(before.count))
        let energy = zip(before, wanted).reduce(0) { $0 + ($1.1 - $1.0) * ($1.1 - $1.0) }
        let lost = zip(after, wanted).reduce(0) { $0 + ($1.1 - $1.0) * ($1.1 - $1.0) }
        if type != .f32 {
          #expect(abs(survival.keptEnergy - max(0, 1 - lost / energy)) < 1e-3)
        }
        total = (total.energy + energy, total.lost + lost)
      }
      kept[type] = 1 - total.lost / total.energy
    }
    #expect(kept[.f32] ?? 0 > 0.999 && kept[.f16] ?? 0 > kept[.bf16] ?? 1)
    #expect(kept[.bf16] ?? 1 < 0.5)
  }
}
