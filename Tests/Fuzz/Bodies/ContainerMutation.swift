import AdapterFormat
import Storage
import StrictJSON
import TestSupport

/// Changes the manifest or the payload of an `.adp` file, and mends what would stop a reader at the
/// door: frames, checksums, digests, envelope. Each is left broken now and then.
enum ContainerMutation {
  static func mutate(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8]? {
    guard var parts = ContainerParts(bytes) else { return nil }
    if !random.oneIn(4) { parts.text = JSONMutation.mutate(parts.text, &random) ?? parts.text }
    if random.oneIn(3) { parts.changePayload(&random) }
    // What is no JSON any more, or has a key twice, goes as it is.
    if !random.oneIn(8), let tree = try? JSONValue(document: parts.text, maximumDepth: 64) {
      var mender = ChunkMender(parts.payload, isRefitting: random.oneIn(2))
      var mended = mender.mend(tree, &random)
      parts.payload = mender.payload
      parts.text = mended.bytes
      if !random.oneIn(4), let file = try? AdapterFile(MemoryBytes(parts.bytes)) {
        mended = TensorMender.mend(mended, file)
        parts.text = mended.bytes
      }
    }
    return parts.bytes
  }
}

/// Mends the chunks of all streams: their checksums, and where shapes have changed their frames.
struct ChunkMender {
  private(set) var payload: [UInt8] = []
  private let old: [UInt8]
  private var offset = 0
  private let isRefitting: Bool

  init(_ payload: [UInt8], isRefitting: Bool) {
    old = payload
    self.isRefitting = isRefitting
  }

  mutating func mend(_ manifest: JSONValue, _ random: inout SeededGenerator) -> JSONValue {
    let result = manifest.changing("adapters") { adapters in
      adapters.mapElements { adapter in
        adapter.changing("streams") { streams in
          streams.mapElements { stream in
            isRefitting ? refit(stream, &random) : check(stream)
          }
        }
      }
    }
    // What no row counts stays where it is, unless all frames are new.
    if !isRefitting { payload += old.dropFirst(offset) }
    return result
  }

  /// The stream with the checksums of the bytes that its rows stand for.
  private mutating func check(_ stream: JSONValue) -> JSONValue {
    stream.changing("chunks") { chunks in
      chunks.mapElements { row in
        let sizes = row.elements.dropLast()
        let count = sizes.reduce(0) { $0 + Int(min($1.integer ?? 0, 1 << 32)) }
        let start = min(offset, old.count)
        let bytes = Array(old[start..<min(old.count, start + count)])
        offset = start + bytes.count
        payload += bytes
        return sizes.isEmpty ? row : .array(sizes + [.integer(checksum(bytes))])
      }
    }
  }

  /// The stream with new frames for the units that its shapes have now.
  private mutating func refit(_ stream: JSONValue, _ random: inout SeededGenerator) -> JSONValue {
    guard let type = stream.member("dtype")?.text.flatMap(ElementType.init(rawValue:)),
      let chunk = stream.member("chunk")?.integer, (1...1 << 20).contains(chunk),
      let size = byteCount(of: stream, type), size <= 1 << 18
    else { return check(stream) }
    let width = type == .c64 ? 4 : max(1, type.bitWidth / 8)
    var rows: [JSONValue] = []
    var rest = size / width
    while rest > 0, rows.count < 256 {
      let count = min(rest, Int(chunk))
      var frames: [UInt8] = []
      var row: [JSONValue] = []
      for _ in 0..<width {
        let before = frames.count
        frames += frame(of: count, &random)
        row.append(.integer(UInt64(frames.count - before)))
      }
      payload += frames
      rows.append(.array(row + [.integer(checksum(frames))]))
      rest -= count
    }
    return stream.setting("chunks", to: .array(rows))
  }

  private func frame(of count: Int, _ random: inout SeededGenerator) -> [UInt8] {
    guard count <= 64, random.oneIn(2) else {
      return Frame.repeated(random.oneIn(2) ? 0 : 0x3F, count: count)
    }
    return Frame.stored(
      (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) })
  }

  private func byteCount(of stream: JSONValue, _ type: ElementType) -> Int? {
    var sum = 0
    for tensor in stream.member("tensors")?.elements ?? [] {
      let dimensions = tensor.member("shape")?.elements.compactMap(\.integer) ?? []
      guard let count = Shape(dimensions)?.byteCount(of: type), count <= 1 << 20 else { return nil }
      sum += count
    }
    return sum
  }

  private func checksum(_ bytes: [UInt8]) -> UInt64 {
    UInt64(unsafe bytes.withUnsafeBytes { unsafe CRC32.checksum($0) })
  }
}
