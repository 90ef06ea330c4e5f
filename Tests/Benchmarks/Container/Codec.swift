import AdapterFormat
import Storage

/// The codec alone, on one thread, from memory to memory: what it takes to encode and to decode, without digests.
struct Codec {
  let codec: PlaneCodec
  let chunk: Int
  let level: CompressionLevel

  struct Result {
    var stored = 0
    var encode = Double.infinity
    var decode = Double.infinity
    var checkedDecode = Double.infinity
  }

  /// Best of several rounds, in seconds.
  func measure(_ units: [UInt8], rounds: Int) throws -> Result {
    var result = Result()
    let bytes = chunk * codec.width
    let ranges = stride(from: 0, to: units.count, by: bytes).map {
      $0..<min($0 + bytes, units.count)
    }
    let room = ChunkEncoder.capacity(codec, count: chunk)
    var frames = [UInt8](repeating: 0, count: ranges.count * room)
    var restored = [UInt8](repeating: 0, count: units.count)
    let (encoder, decoder) = (ChunkEncoder(codec, level), ChunkDecoder(MemoryBytes([])))
    for _ in 0..<rounds {
      var sizes: [[UInt32]] = []
      var offset = 0
      let encode = try seconds {
        for range in ranges {
          let frames = try unsafe frames.withUnsafeMutableBytes { frames in
            try unsafe units.withUnsafeBytes { units in
              try unsafe encoder.encode(
                UnsafeRawBufferPointer(rebasing: units[range]),
                into: UnsafeMutableRawBufferPointer(rebasing: frames[offset..<offset + room]))
            }
          }
          sizes.append(frames)
          offset += frames.reduce(0) { $0 + Int($1) }
        }
      }
      var start = 0
      let records = unsafe frames.withUnsafeBytes { frames in
        sizes.map { sizes in
          let record = unsafe ChunkRecord(
            sizes: sizes, checksumOf: UnsafeRawBufferPointer(rebasing: frames[start...]))
          start += record.storedByteCount
          return record
        }
      }
      result.stored = offset
      result.encode = min(result.encode, encode)
      for isChecked in [false, true] {
        let time = try seconds {
          try decode(frames, records, ranges, into: &restored, decoder, isChecked: isChecked)
        }
        if isChecked {
          result.checkedDecode = min(result.checkedDecode, time)
        } else {
          result.decode = min(result.decode, time)
        }
      }
      precondition(restored == units, "what was decoded is not what was encoded")
    }
    return result
  }

  private func decode(
    _ frames: [UInt8], _ records: [ChunkRecord], _ ranges: [Range<Int>],
    into restored: inout [UInt8], _ decoder: ChunkDecoder, isChecked: Bool
  ) throws {
    var offset = 0
    try unsafe restored.withUnsafeMutableBytes { restored in
      try unsafe frames.withUnsafeBytes { frames in
        for (range, record) in zip(ranges, records) {
          let part = unsafe UnsafeRawBufferPointer(
            rebasing: frames[offset..<offset + record.storedByteCount])
          let output = unsafe UnsafeMutableRawBufferPointer(rebasing: restored[range])
          offset += record.storedByteCount
          if isChecked {
            try unsafe decoder.decode(part, of: record, codec, into: output, place: "a chunk")
          } else {
            try unsafe decoder.decodeUnchecked(
              part, sizes: record.sizes, codec, into: output, place: "a chunk")
          }
        }
      }
    }
  }
}

func seconds(_ body: () throws -> Void) rethrows -> Double {
  let time = try ContinuousClock().measure(body)
  return Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18
}
