import Checkpoints
import Storage
import StrictJSON
import SystemPackage

/// Shard indexes and configurations of models: an index that is written anew says what it was given.
enum IndexBody {
  static func run(_ bytes: [UInt8]) throws(BrokenProperty) -> Bool {
    let isConfig = ModelConfig(parsing: bytes) != nil
    guard let index = try? ShardIndex(parsing: bytes, "index") else { return isConfig }
    guard let shape = Shape([2, 3]) else { return true }
    // Every tensor gets the same shape: an index holds names alone.
    let members = index.shards.map { name, shard in
      (TensorInfo(name: name, type: .f32, shape: shape), shard)
    }
    let shards = Dictionary(grouping: members, by: \.1).map { shard, tensors in
      (name: shard, tensors: tensors.map(\.0))
    }
    let text = try BrokenProperty.unlessHolds("an accepted index is written anew") {
      () throws(CheckpointError) in
      try ShardIndex.encode(shards, instead: bytes, "index")
    }
    let again = try BrokenProperty.unlessHolds("what was written is accepted") {
      () throws(CheckpointError) in
      try ShardIndex(parsing: text, "index")
    }
    try BrokenProperty.unless(again.shards == index.shards, "the map has changed")
    try BrokenProperty.unless(
      ModelConfig(parsing: bytes) == ModelConfig(parsing: text) || !isConfig,
      "other members have changed")
    return true
  }
}
