import Checkpoints
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// A safetensors file of a header and data.
private func file(_ header: String, data: Int) -> [UInt8] {
  let text = Array(header.utf8)
  let length = (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }
  return length + text + [UInt8](repeating: 7, count: data)
}

private func tensor(_ name: String, _ dtype: String, _ shape: String, _ range: String) -> String {
  #""\#(name)":{"dtype":"\#(dtype)","shape":\#(shape),"data_offsets":\#(range)}"#
}

struct Malformed: Sendable, CustomTestStringConvertible {
  let fault: String
  let bytes: [UInt8]
  let reason: String
  var testDescription: String { fault }

  static let all: [Malformed] = [
    .init(fault: "empty", bytes: [], reason: "0 bytes"),
    .init(fault: "short", bytes: [1, 2, 3], reason: "3 bytes"),
    .init(
      fault: "header over 100 MB", bytes: [0x01, 0xE1, 0xF5, 0x05, 0, 0, 0, 0] + [0x7B],
      reason: "100 MB"),
    .init(
      fault: "header length near 2^64", bytes: [UInt8](repeating: 0xFF, count: 8) + [0x7B],
      reason: "100 MB"),
    .init(fault: "header cut", bytes: [50, 0, 0, 0, 0, 0, 0, 0] + [0x7B, 0x7D], reason: "cut"),
    .init(fault: "leading space", bytes: file(" {}", data: 0), reason: "begin"),
    .init(fault: "array", bytes: file("[]", data: 0), reason: "begin"),
    .init(fault: "bad UTF-8", bytes: file("{\"", data: 0) + [0xFF], reason: "missing|JSON|bytes"),
    .init(
      fault: "duplicate name",
      bytes: file(
        "{" + tensor("a", "U8", "[4]", "[0,4]") + "," + tensor("a", "F32", "[1]", "[0,4]") + "}",
        data: 4), reason: "duplicate key"),
    .init(
      fault: "duplicate metadata",
      bytes: file(#"{"__metadata__":{"a":"1","a":"2"}}"#, data: 0), reason: "duplicate key"),
    .init(
      fault: "metadata not text", bytes: file(#"{"__metadata__":{"a":1}}"#, data: 0),
      reason: "a string"),
    .init(
      fault: "overlap",
      bytes: file(
        "{" + tensor("a", "U8", "[4]", "[0,4]") + "," + tensor("b", "U8", "[4]", "[2,6]") + "}",
        data: 6), reason: "overlaps"),
    .init(
      fault: "hole",
      bytes: file(
        "{" + tensor("a", "U8", "[4]", "[0,4]") + "," + tensor("b", "U8", "[4]", "[5,9]") + "}",
        data: 9), reason: "hole"),
    .init(
      fault: "hole at the start",
      bytes: file("{" + tensor("a", "U8", "[4]", "[1,5]") + "}", data: 5),
      reason: "hole"),
    .init(
      fault: "wrong size", bytes: file("{" + tensor("a", "F32", "[4]", "[0,4]") + "}", data: 4),
      reason: "16 bytes by its shape"),
    .init(
      fault: "trailing bytes", bytes: file("{" + tensor("a", "U8", "[4]", "[0,4]") + "}", data: 5),
      reason: "1 bytes after"),
    .init(
      fault: "truncated data", bytes: file("{" + tensor("a", "U8", "[4]", "[0,4]") + "}", data: 3),
      reason: "1 bytes are missing"),
    .init(
      fault: "overflowing shape",
      bytes: file(
        "{" + tensor("a", "U8", "[4294967296,4294967296]", "[0,0]") + "}", data: 0),
      reason: "impossible shape"),
    .init(
      fault: "zero hides an overflow",
      bytes: file(
        "{" + tensor("a", "U8", "[0,9007199254740991,9007199254740991]", "[0,0]") + "}", data: 0),
      reason: "impossible shape"),
    .init(
      fault: "half a byte", bytes: file("{" + tensor("a", "F4", "[3]", "[0,1]") + "}", data: 1),
      reason: "impossible shape"),
    .init(
      fault: "unknown dtype",
      bytes: file("{" + tensor("a", "F128", "[1]", "[0,16]") + "}", data: 16),
      reason: "unknown dtype"),
    .init(
      fault: "unknown field",
      bytes: file(
        #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"scale":2}}"#, data: 1),
      reason: "unknown field"),
    .init(
      fault: "negative offset",
      bytes: file("{" + tensor("a", "U8", "[1]", "[-1,0]") + "}", data: 0),
      reason: "integer"),
    .init(
      fault: "reversed offsets",
      bytes: file("{" + tensor("a", "U8", "[1]", "[1,0]") + "}", data: 1),
      reason: "offsets 1 to 0"),
    .init(fault: "missing dtype", bytes: file(#"{"a":{"shape":[1]}}"#, data: 1), reason: "needs"),
  ]
}

@Suite struct SafetensorsTests {
  @Test(arguments: Malformed.all)
  func malformedFilesAreRefusedWithTheReason(_ malformed: Malformed) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(malformed.bytes, to: "m.safetensors")
    let error = #expect(throws: CheckpointError.self) { try SafetensorsFile(path) }
    let message = String(describing: error)
    #expect(
      malformed.reason.split(separator: "|").contains { message.contains($0) }, "\(message)")
  }

  @Test(arguments: ElementType.allCases)
  func everyElementTypeIsRead(_ type: ElementType) throws {
    let folder = try TemporaryFolder()
    let header = "{" + tensor("a", type.rawValue, "[8]", "[0,\(type.bitWidth)]") + "}"
    let opened = try SafetensorsFile(
      folder.write(file(header, data: type.bitWidth), to: "m.safetensors"))
    #expect(opened.header.tensors.map(\.info.type) == [type])
  }

  @Test func realFilesHaveTheCanonicalHeader() throws {
    for name in Repository.peftCases {
      let opened = try SafetensorsFile(
        Repository.peft(name).appending("adapter_model.safetensors"))
      let canonical = SafetensorsHeader(
        canonical: opened.header.tensors.map(\.info), metadata: [.init("format", "pt")])
      #expect(canonical.text == opened.header.text, "\(name)")
    }
  }
}

@Suite struct ShardTests {
  private func folder(index: String, shards: [String: [UInt8]]) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try folder.write(Array(index.utf8), to: "model.safetensors.index.json")
    for (name, bytes) in shards { try folder.write(bytes, to: name) }
    return folder
  }

  private let a = file("{" + tensor("a", "U8", "[1]", "[0,1]") + "}", data: 1)
  private let b = file("{" + tensor("b", "U8", "[1]", "[0,1]") + "}", data: 1)

  @Test func shardsAreOneCheckpoint() throws {
    let folder = try folder(
      index:
        #"{"metadata":{"total_size":2},"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"#,
      shards: ["1.safetensors": a, "2.safetensors": b])
    for path in [folder.path, folder.appending("model.safetensors.index.json")] {
      let checkpoint = try Checkpoint(path)
      #expect(Set(checkpoint.names) == ["a", "b"])
      #expect(checkpoint.isFolder)
    }
  }

  @Test(arguments: [
    #"{"weight_map":{"a":"../1.safetensors"}}"#, #"{"weight_map":{"a":"/1.safetensors"}}"#,
    #"{"weight_map":{"a":"x/1.safetensors"}}"#, #"{"weight_map":{"a":".."}}"#,
    #"{"weight_map":{"a":"missing.safetensors"}}"#,
    #"{"weight_map":{"a":"2.safetensors","b":"1.safetensors"}}"#,
    #"{"weight_map":{"a":"1.safetensors"}}"# + "x", #"{"weight_map":{"a":1}}"#, #"{}"#,
    #"{"weight_map":{"a":"1.safetensors","c":"1.safetensors"}}"#,
    #"{"weight_map":{"b":"2.safetensors","c":"1.safetensors"}}"#,
  ])
  func anIndexThatContradictsTheShardsIsRefused(_ index: String) throws {
    let folder = try folder(index: index, shards: ["1.safetensors": a, "2.safetensors": b])
    #expect(throws: CheckpointError.self) { try Checkpoint(folder.path) }
  }

  @Test func aTensorInTwoShardsIsRefused() throws {
    let folder = try folder(
      index: #"{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"#,
      shards: [
        "1.safetensors": a,
        "2.safetensors": file(
          "{" + tensor("a", "U8", "[1]", "[0,1]") + "," + tensor("b", "U8", "[1]", "[1,2]") + "}",
          data: 2),
      ])
    #expect(throws: CheckpointError.self) { try Checkpoint(folder.path) }
  }

  @Test func aFolderWithoutSafetensorsSaysWhatItHolds() throws {
    let folder = try TemporaryFolder()
    try folder.write([0x80, 2], to: "pytorch_model.bin")
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(folder.path) }
    #expect(error?.description.contains("pickle") == true)
  }
}
