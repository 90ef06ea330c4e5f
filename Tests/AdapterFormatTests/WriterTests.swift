import AdapterFormat
import Operations
import Storage
import StrictJSON
import SystemPackage
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

/// A file of one adapter whose tensors nothing uses.
func write(
  _ tensors: [TensorContents], level: CompressionLevel = .default
) throws -> [UInt8] {
  let sink = MemorySink()
  try write(tensors, to: sink, level: level)
  return sink.bytes
}

/// The same, to a sink.
private func write(
  _ tensors: [TensorContents], to sink: any ByteSink, level: CompressionLevel = .default
) throws {
  var writer = try AdapterWriter(to: sink, level: level)
  var record = AdapterRecord(name: "default", method: "test")
  record.inert = tensors.map { .init(tensor: $0.info.name, reason: "test") }
  try writer.append(record, tensors: tensors)
  try writer.finish(generator: "test")
}

@Suite struct WriterTests {
  @Test(arguments: ElementType.allCases)
  func whatIsWrittenIsReadBack(_ type: ElementType) throws {
    var generator = SeededGenerator(seed: 0xADA)
    let counts: [UInt64] = [0, 4, 8, 1000, 131_068, 131_072, 131_076, 300_000]
    let tensors = try counts.enumerated().map { index, count in
      try tensor(Name("t\(index)"), type, count: count, &generator)
    }
    let file = try check(MemoryBytes(try write(tensors)))
    for tensor in tensors {
      let contents = try file.contents(of: tensor.info.name, adapter: 0)
      #expect(contents == (try tensor.bytes.bytes(at: 0, count: tensor.info.byteCount)))
    }
  }

  /// Streams of several batches, with tensors that begin and end anywhere in them.
  @Test(arguments: CompressionLevel.allCases)
  func longStreamsAreReadBack(_ level: CompressionLevel) throws {
    var generator = SeededGenerator(seed: 5)
    let counts: [UInt64] =
      level == .max ? [3, 600_000, 0, 7] : [3, 5_000_000, 0, 7, 70_001, 4_000_000]
    let tensors = try counts.enumerated().map { index, count in
      try tensor(Name("t\(index)"), .bf16, count: count, &generator)
    }
    let file = try check(MemoryBytes(try write(tensors, level: level)))
    let loaded = try LoadedTensors(file, adapter: 0)
    for tensor in tensors {
      let contents = try tensor.bytes.bytes(at: 0, count: tensor.info.byteCount)
      #expect(try file.contents(of: tensor.info.name, adapter: 0) == contents)
      #expect(loaded.info(tensor.info.name) == tensor.info)
      #expect(
        unsafe loaded.withBytes(of: tensor.info.name) { unsafe $0.elementsEqual(contents) } == true)
    }
    #expect(loaded.info("t99") == nil)
  }

  /// Every valid file, with parts of the future or without.
  @Test(arguments: CompressionLevel.allCases)
  func whatIsCompressedAnewIsTheSame(_ level: CompressionLevel) throws {
    let valid = Repository.fixtures.appending("valid")
    for path in Repository.files(below: valid, suffix: ".adp") {
      let file = try AdapterFile.open(path)
      let sink = MemorySink()
      var writer = try AdapterWriter(to: sink, level: level)
      for (index, adapter) in file.manifest.adapters.enumerated() {
        try writer.recompress(file, adapter: index, as: adapter.name)
      }
      try writer.finish(generator: "test", base: file.manifest.base)
      let copy = try check(MemoryBytes(sink.bytes))
      for (new, old) in zip(copy.manifest.adapters, file.manifest.adapters) {
        #expect(new.weightsDigest == old.weightsDigest && new.operations == old.operations)
        #expect(Set(new.nonfinite ?? []) == Set(old.nonfinite ?? []) || old.nonfinite == nil)
        #expect(new.source == old.source && new.files == old.files && new.inert == old.inert)
      }
    }
  }

  /// Whatever the bytes are, they take no more than as they are, but for some bytes a chunk.
  @Test(arguments: CompressionLevel.allCases)
  func noiseIsStored(_ level: CompressionLevel) throws {
    var generator = SeededGenerator(seed: 11)
    let bytes = (0..<400_000).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    let shape = try #require(Shape([100_000]))
    let tensor = TensorContents(
      TensorInfo(name: "t", type: .f32, shape: shape), bytes: MemoryBytes(bytes), offset: 0)
    #expect(try write([tensor], level: level).count < bytes.count + 1024)
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
      try tensor("a", .f32, count: 140_001, &generator),
      try tensor("b", .f32, count: 140_001, &generator),
    ]
    let file = try check(MemoryBytes(try write(tensors)))
    let whole = try tensors[1].bytes.bytes(at: 0, count: 560_004)
    for range in [0..<4, 3..<9, 480_000..<560_004, 0..<560_004, 487_000..<489_000] {
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
      try tensor(Name("t\($0)"), .f32, count: 131_072, &generator)
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

  /// The same of a file of 1 GiB on disk, of noise, which takes as much room stored.
  @Test func ofAGigabyteOnlyWhatIsNeededIsRead() throws {
    var generator = SeededGenerator(seed: 10)
    let noise = (0..<1 << 20).flatMap { _ in
      let bits = generator.next()
      return (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) }
    }
    let shape = try #require(Shape([UInt64(noise.count)]))
    let tensors = (0..<256).map { index in
      TensorContents(
        TensorInfo(name: Name("t\(index)"), type: .u8, shape: shape), bytes: MemoryBytes(noise),
        offset: 0)
    }
    let folder = try TemporaryFolder()
    let path = folder.path.appending("large.adp")
    let output = try OutputFile(path, replacing: false)
    try write(tensors, to: output)
    try output.commit()
    let bytes = CountingBytes(try File(path))
    #expect(bytes.count > 1 << 30)
    let file = try AdapterFile(bytes)
    let opening = bytes.readCount
    #expect(opening < 1 << 20)
    let contents = try file.contents(of: "t200", adapter: 0)
    #expect(contents == noise)
    // Its 2^22 bytes, the heads of their frames, and a chunk at either end of which it has a part.
    #expect(bytes.readCount - opening <= 1 << 22 + 3 << 17)
  }
}
