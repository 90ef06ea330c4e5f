import Checkpoints
import Foundation
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

@Suite struct StoredTensorTests {
  private static let types: [ElementType] = [.f4, .f6E2M3, .u8, .bf16, .f32, .f64]

  /// Bytes that differ from tensor to tensor and from place to place.
  private func bytes(_ type: ElementType, _ count: Int) -> [UInt8] {
    (0..<count * type.bitWidth / 8).map {
      UInt8(truncatingIfNeeded: $0 &* 167 &+ $0 >> 8 &+ type.bitWidth)
    }
  }

  private func checkpoint(in folder: TemporaryFolder) throws -> Checkpoint {
    var made = HandMadeCheckpoint()
    for type in Self.types { made.add(Name(type.rawValue), type, [24, 40], bytes(type, 960)) }
    made.add("empty", .f32, [0, 40], [])
    return try made.write(to: folder)
  }

  @Test(arguments: types, [8, 40, 104, 960, 5000])
  func runsOfElementsAreTheTensor(_ type: ElementType, _ length: Int) throws {
    let tensor = try #require(checkpoint(in: TemporaryFolder()).tensor(Name(type.rawValue)))
    let expected = bytes(type, 960)
    #expect(try tensor.contents() == expected)
    var (pieces, next): ([UInt8], Int) = ([], 0)
    for run in tensor.runs(of: length) {
      #expect(run.lowerBound == next && run.count <= length)
      let piece = try tensor.contents(of: run)
      #expect(piece.count == tensor.byteCount(of: run))
      pieces += piece
      next = run.upperBound
    }
    #expect(next == 960 && pieces == expected)
  }

  /// A row of a matrix is as many elements as it has columns.
  @Test(arguments: types)
  func aRowIsReadAlone(_ type: ElementType) throws {
    let tensor = try #require(checkpoint(in: TemporaryFolder()).tensor(Name(type.rawValue)))
    let size = 40 * type.bitWidth / 8
    let row = try tensor.contents(of: 17 * 40..<18 * 40)
    #expect(row == Array(bytes(type, 960)[17 * size..<18 * size]))
  }

  @Test func aTensorWithoutElementsHasNoRuns() throws {
    let tensor = try #require(checkpoint(in: TemporaryFolder()).tensor("empty"))
    #expect(Array(tensor.runs(of: 8)).isEmpty)
    #expect(try tensor.contents().isEmpty)
  }

  /// Head and tensors, each after the other, are the file.
  @Test func rangesThatFollowAreOne() throws {
    let checkpoint = try checkpoint(in: TemporaryFolder())
    let shard = checkpoint.shards[0]
    let ranges = checkpoint.tensors(inShard: 0).compactMap(\.fileRange)
    var whole = shard.head
    for range in ranges { whole = try #require(whole.followed(by: range)) }
    #expect(whole.count == shard.file.file.count)
    var all = [UInt8](repeating: 0, count: Int(whole.count))
    try unsafe all.withUnsafeMutableBytesThrowing { memory throws(StorageError) in
      try unsafe whole.read(at: 0, into: memory)
    }
    #expect(try all == shard.file.file.contents(limit: 1 << 20))
    #expect(shard.head.followed(by: ranges[2]) == nil, "what lies between them is missing")
    // The same places of another file are not its continuation.
    let other = try self.checkpoint(in: TemporaryFolder())
    let stranger = try #require(other.tensors(inShard: 0)[0].fileRange)
    #expect(shard.head.followed(by: stranger) == nil)
  }

  @Test func aFileThatWasWrittenSinceIsNoticed() throws {
    let folder = try TemporaryFolder()
    let checkpoint = try checkpoint(in: folder)
    let tensor = try #require(checkpoint.tensor("F32"))
    try tensor.checkUnchanged()
    try tensor.checkUnchanged()
    let handle = try FileHandle(
      forWritingTo: URL(fileURLWithPath: folder.path.appending("model.safetensors").string))
    try handle.seekToEnd()
    try handle.write(contentsOf: Data([0]))
    try handle.close()
    #expect(throws: StorageError.self) { try tensor.checkUnchanged() }
    #expect(throws: StorageError.self) { try tensor.checkUnchanged() }
  }
}
