import AdapterFormat
import Adapters
import Storage
import StrictJSON
import TestSupport
import Testing

/// Tensors of random bytes and of shaped data, of one element type.
private func tensor(
  _ name: Name, _ type: ElementType, count: UInt64, _ generator: inout SeededGenerator
) throws -> TensorContents {
  let shape = try #require(Shape([count]))
  let byteCount = try #require(shape.byteCount(of: type))
  let kind = Int.random(in: 0..<4, using: &generator)
  let bytes = (0..<byteCount).map { index -> UInt8 in
    switch kind {
    case 0: UInt8(truncatingIfNeeded: generator.next())
    case 1: 0
    case 2: UInt8(truncatingIfNeeded: index / 37)
    default: UInt8(truncatingIfNeeded: generator.next() & generator.next() & generator.next())
    }
  }
  return TensorContents(
    TensorInfo(name: name, type: type, shape: shape), bytes: MemoryBytes(bytes), offset: 0)
}

private func write(_ tensors: [TensorContents]) throws -> [UInt8] {
  let sink = MemorySink()
  var writer = try AdapterWriter(to: sink)
  var record = AdapterRecord(name: "default", method: "test")
  record.inert = tensors.map { .init(tensor: $0.info.name, reason: "test") }
  try writer.append(record, tensors: tensors)
  try writer.finish(generator: "test")
  return sink.bytes
}

@Suite struct WriterTests {
  @Test(arguments: ElementType.allCases)
  func whatIsWrittenIsReadBack(_ type: ElementType) throws {
    var generator = SeededGenerator(seed: 0xADA)
    let counts: [UInt64] = [0, 4, 8, 1000, 65_532, 65_536, 65_540, 200_000]
    let tensors = try counts.enumerated().map { index, count in
      try tensor(Name("t\(index)"), type, count: count, &generator)
    }
    let file = try check(MemoryBytes(try write(tensors)))
    for tensor in tensors {
      let contents = try file.contents(of: tensor.info.name, adapter: 0)
      #expect(contents == (try tensor.bytes.bytes(at: 0, count: tensor.info.byteCount)))
    }
  }

  @Test func theSameCallsGiveTheSameBytes() throws {
    var first = SeededGenerator(seed: 7)
    var second = SeededGenerator(seed: 7)
    #expect(
      try write([tensor("t", .bf16, count: 100_000, &first)])
        == (try write([tensor("t", .bf16, count: 100_000, &second)])))
  }

  @Test func anyPartOfATensorIsRead() throws {
    var generator = SeededGenerator(seed: 3)
    let tensors = [
      try tensor("a", .f32, count: 70_001, &generator),
      try tensor("b", .f32, count: 70_001, &generator),
    ]
    let file = try check(MemoryBytes(try write(tensors)))
    let whole = try tensors[1].bytes.bytes(at: 0, count: 280_004)
    for range in [0..<4, 3..<9, 240_000..<280_004, 0..<280_004, 261_000..<263_000] {
      var part = [UInt8](repeating: 0, count: range.count)
      try unsafe part.withUnsafeMutableBytes {
        try unsafe file.read("b", adapter: 0, at: range.lowerBound, into: $0)
      }
      #expect(part == Array(whole[range]))
    }
  }

  @Test func valuesThatAreNotFiniteAreListed() throws {
    let bytes = { (value: Float) in
      (0..<3).flatMap { (index) -> [UInt8] in
        let bits = (index == 1 ? value : 1).bitPattern
        return (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) }
      }
    }
    let shape = try #require(Shape([3]))
    let tensors = [("fine", Float(2)), ("nan", .nan), ("infinite", -.infinity)].map {
      TensorContents(
        TensorInfo(name: Name($0.0), type: .f32, shape: shape), bytes: MemoryBytes(bytes($0.1)),
        offset: 0)
    }
    let file = try check(MemoryBytes(try write(tensors)))
    #expect(file.manifest.adapters[0].nonfinite == ["nan", "infinite"])
  }

  @Test(arguments: ["", "__metadata__", "a\nb", String(repeating: "x", count: 1025)])
  func whatTheReaderRefusesIsNotWritten(_ name: String) throws {
    var generator = SeededGenerator(seed: 1)
    let tensors = [try tensor(Name(name), .u8, count: 4, &generator)]
    #expect(throws: FormatError.self) { try write(tensors) }
  }

  @Test func twoTensorsOfOneNameAreNotWritten() throws {
    var generator = SeededGenerator(seed: 1)
    let tensors = [
      try tensor("t", .u8, count: 4, &generator), try tensor("t", .f32, count: 4, &generator),
    ]
    #expect(throws: FormatError.self) { try write(tensors) }
  }

  /// Opening reads the envelope and the manifest; one tensor, its chunks.
  @Test func onlyWhatIsNeededIsRead() throws {
    var generator = SeededGenerator(seed: 9)
    let tensors = try (0..<8).map {
      try tensor(Name("t\($0)"), .f32, count: 65_536, &generator)
    }
    let bytes = CountingBytes(try write(tensors))
    let file = try AdapterFile(bytes)
    let opening = bytes.readCount
    let stored = file.manifest.adapters[0].streams[0].storedByteCount
    #expect(opening <= bytes.count - stored)
    _ = try file.contents(of: "t3", adapter: 0)
    let chunk = file.manifest.adapters[0].streams[0].chunks[3].storedByteCount
    #expect(bytes.readCount - opening == UInt64(chunk))
  }
}
