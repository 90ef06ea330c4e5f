package import Storage
package import StrictJSON
package import SystemPackage

/// `model.safetensors.index.json`: which shard holds which tensor.
package struct ShardIndex {
  /// Tensor → name of its shard, a file beside the index.
  package let shards: [Name: String]

  package static let fileName = "model.safetensors.index.json"
  private static let maximumByteCount = 128 << 20

  init(_ path: FilePath) throws(CheckpointError) {
    let file = try storing { () throws(StorageError) in try File(path) }
    guard
      let bytes = try storing({ () throws(StorageError) in
        try file.contents(limit: Self.maximumByteCount)
      })
    else { throw .index(path, "an index of \(file.count) bytes") }
    try self.init(parsing: bytes, path)
  }

  /// Reads the text of an index; `path` is for errors.
  package init(parsing bytes: [UInt8], _ path: FilePath) throws(CheckpointError) {
    var reader = try parsing(path) { () throws(JSONError) in
      try JSONReader(bytes, maximumDepth: 16)
    }
    var shards: [Name: String]?
    var keys = try parsing(path) { () throws(JSONError) in try reader.beginObject() }
    while let key = try parsing(path, { () throws(JSONError) in try reader.nextKey(&keys) }) {
      if key == "weight_map" {
        shards = try Self.parseMap(&reader, path)
      } else {
        try parsing(path) { () throws(JSONError) in try reader.skip() }
      }
    }
    try parsing(path) { () throws(JSONError) in try reader.finish() }
    guard let shards else { throw .index(path, "no \"weight_map\"") }
    self.shards = shards
  }

  private static func parseMap(
    _ reader: inout JSONReader, _ path: FilePath
  ) throws(CheckpointError) -> [Name: String] {
    var map: [Name: String] = [:]
    var keys = try parsing(path) { () throws(JSONError) in try reader.beginObject() }
    while let name = try parsing(path, { () throws(JSONError) in try reader.nextKey(&keys) }) {
      let shard = try parsing(path) { () throws(JSONError) in try reader.string() }
      guard isPlainFileName(shard) else {
        throw .index(path, "shard \(shard.debugDescription) is not the name of a file beside it")
      }
      map[name] = shard
    }
    return map
  }

  /// The text of an index for other tensors, with everything else that the one at `path` says.
  package static func encode(
    _ shards: [(name: String, tensors: [TensorInfo])], instead path: FilePath
  ) throws(CheckpointError) -> [UInt8] {
    let file = try storing { () throws(StorageError) in try File(path) }
    let bytes = try storing { () throws(StorageError) in
      try file.contents(limit: maximumByteCount)
    }
    return try encode(shards, instead: bytes ?? [], path)
  }

  /// The same for an index of this text; `path` is for errors.
  package static func encode(
    _ shards: [(name: String, tensors: [TensorInfo])], instead bytes: [UInt8], _ path: FilePath
  ) throws(CheckpointError) -> [UInt8] {
    let tensors = shards.flatMap { shard in shard.tensors.map { ($0, shard.name) } }
    let map = tensors.sorted { $0.0.name < $1.0.name }.map {
      JSONValue.Member($0.0.name, .string($0.1))
    }
    let sizes: [Name: Int] = [
      "total_size": tensors.reduce(0) { $0 + $1.0.byteCount },
      "total_parameters": tensors.reduce(0) { $0 + $1.0.shape.count },
    ]
    let old = try parsing(path) { () throws(JSONError) in
      try JSONValue(document: bytes, maximumDepth: 16)
    }
    var writer = JSONWriter(style: .indented)
    writer.value(
      old.mapMembers { key, value in
        switch key {
        case "weight_map": .object(map)
        case "metadata":
          value.mapMembers { key, value in
            sizes[key].map { value.double == nil ? value : .integer(UInt64($0)) } ?? value
          }
        default: value
        }
      })
    return writer.bytes + [UInt8(ascii: "\n")]
  }

  /// A name that stays in its folder.
  private static func isPlainFileName(_ name: String) -> Bool {
    !name.isEmpty && name != "." && name != ".." && name.utf8.count <= 255
      && name.utf8.allSatisfy {
        $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "\\")
      }
  }
}

extension JSONValue {
  /// An object with other values; anything else as it is.
  fileprivate func mapMembers(_ body: (Name, JSONValue) -> JSONValue) -> JSONValue {
    guard case .object(let members) = self else { return self }
    return .object(members.map { Member($0.key, body($0.key, $0.value)) })
  }
}
