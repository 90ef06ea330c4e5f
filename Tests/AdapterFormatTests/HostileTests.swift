import AdapterFormat
import Operations
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

private let digest = String(repeating: "0", count: 64)

/// Files that ask for more than they hold.
@Suite struct HostileTests {
  @Test func sizesOfAnOpaqueStreamAreNotAddedUp() throws {
    let tensors = (0..<300).map {
      #"{"name":"t\#($0)","shape":[9007199254740991],"sha256":"\#(digest)"}"#
    }
    let inert = (0..<300).map { #"{"tensor":"t\#($0)","reason":""}"# }
    let manifest = """
      {"adapters":[{"name":"a","method":"m","operations":[],"inert":[\(inert.joined(separator: ","))],\
      "streams":[{"dtype":"F64","code":"planes","chunk":1024,"new":1,"chunks":[],\
      "tensors":[\(tensors.joined(separator: ","))]}]}]}
      """
    let file = try AdapterFile(MemoryBytes(HandMade.file(manifest: manifest)))
    #expect(file.manifest.adapters[0].streams[0].isOpaque)
    _ = try Inspection(Adapter(file, index: 0))
  }

  /// Tensors of 2^64 bytes in all, or of 2^64 bits: of none at all, where the sum wraps.
  @Test(arguments: [("F64", 256), ("U8", 256), ("F64", 32)])
  func sizesThatWrapAreAddedUp(_ type: String, _ count: Int) throws {
    let shapes = Array(repeating: Shape.maximumCount, count: count) + [count]
    let tensors = shapes.enumerated().map { index, size in
      #"{"name":"t\#(index)","shape":[\#(size)],"sha256":"\#(digest)"}"#
    }
    let inert = shapes.indices.map { #"{"tensor":"t\#($0)","reason":""}"# }
    let manifest = """
      {"adapters":[{"name":"a","method":"m","operations":[],"inert":[\(inert.joined(separator: ","))],\
      "streams":[{"dtype":"\(type)","code":"planes","chunk":1048576,"chunks":[],\
      "tensors":[\(tensors.joined(separator: ","))]}]}]}
      """
    let error = #expect(throws: FormatError.self) {
      try AdapterFile(MemoryBytes(HandMade.file(manifest: manifest)))
    }
    #expect(error?.kind == "limit" || error?.kind == "manifest")
  }

  /// No file of the corpus is long enough for it.
  @Test func aManifestsTextIsNoLongerThanTheLimitOfAllFiles() throws {
    var bytes = HandMade.file(manifest: #"{"adapters":[]}"#, payload: [])
    let footer = bytes.count - 64
    for (place, value) in [(0, 1 << 40 - 64 - UInt64(footer - 16)), (16, 1 << 27 + 1)] {
      bytes.replaceSubrange(
        footer + place..<footer + place + 8,
        with: (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) })
    }
    let error = #expect(throws: FormatError.self) {
      try AdapterFile(Sparse(count: 1 << 40, head: bytes, tail: Array(bytes.suffix(64))))
    }
    #expect(error?.kind == "limit")
  }

  @Test func aManifestFrameIsNotLongerThanItsTextNeeds() throws {
    var bytes = HandMade.file(manifest: #"{"adapters":[]}"#, payload: [])
    // A footer that claims all of a file of a tebibyte for the manifest.
    let length: UInt64 = 1 << 40
    let stored = length - 64 - 16
    let footer = bytes.count - 64
    bytes.replaceSubrange(
      footer + 8..<footer + 16,
      with: (0..<8).map { UInt8(truncatingIfNeeded: stored >> (8 * UInt64($0))) })
    let error = #expect(throws: FormatError.self) {
      try AdapterFile(Sparse(count: length, head: bytes, tail: Array(bytes.suffix(64))))
    }
    #expect(error?.kind == "frame")
  }

  /// Many small tensors share a chunk, which is decoded once.
  @Test func tensorsThatShareAChunkAreReadInOnePass() throws {
    let sink = MemorySink()
    var writer = try AdapterWriter(to: sink)
    var record = AdapterRecord(name: "a", method: "m")
    let shape = try #require(Shape([4]))
    let tensors = (0..<16_000).map { index in
      TensorContents(
        TensorInfo(name: Name("t\(index)"), type: .f32, shape: shape),
        bytes: MemoryBytes([UInt8](repeating: UInt8(index % 251), count: 16)), offset: 0)
    }
    record.inert = tensors.map { .init(tensor: $0.info.name, reason: "") }
    try writer.append(record, tensors: tensors)
    try writer.finish(generator: "test")
    let bytes = CountingBytes(sink.bytes)
    let file = try AdapterFile(bytes)
    let before = bytes.readCount
    for index in 0..<16_000 {
      let contents = try file.contents(of: Name("t\(index)"), adapter: 0)
      #expect(contents.allSatisfy { $0 == UInt8(index % 251) })
    }
    #expect(bytes.readCount - before <= bytes.count)
  }
}

/// A huge file of zeros with a beginning and an end.
private struct Sparse: RandomAccessBytes {
  let count: UInt64
  let head: [UInt8]
  let tail: [UInt8]

  func read(
    at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(StorageError) {
    for index in 0..<buffer.count {
      let place = offset + UInt64(index)
      let fromEnd = count - place
      let byte: UInt8 =
        place < UInt64(head.count)
        ? head[Int(place)]
        : fromEnd <= UInt64(tail.count) ? tail[tail.count - Int(fromEnd)] : 0
      unsafe buffer[index] = byte
    }
  }
}
