import AdapterFormat
import Storage
import StrictJSON
import TestSupport
import Testing

/// Tensors of two scales in turn, as `lora_A` and `lora_B` of layer after layer are.
private func alternating(_ name: (Int) -> String) throws -> [TensorContents] {
  var generator = SeededGenerator(seed: 11)
  let shape = try #require(Shape([64, 64]))
  return (0..<64).map { index in
    let scale: Float = index % 2 == 0 ? 0.02 : 0.000_1
    let bytes = (0..<shape.count).flatMap { _ -> [UInt8] in
      // A sum of uniform numbers is as good as normal.
      let value = (0..<8).reduce(0 as Float) { sum, _ in
        sum + Float.random(in: -1...1, using: &generator)
      }
      let bits = (value * scale).bitPattern >> 16
      return [UInt8(truncatingIfNeeded: bits), UInt8(truncatingIfNeeded: bits >> 8)]
    }
    let info = TensorInfo(name: Name(name(index)), type: .bf16, shape: shape)
    return TensorContents(info, bytes: MemoryBytes(bytes), offset: 0)
  }
}

private func payload(_ tensors: [TensorContents], _ level: CompressionLevel) throws -> UInt64 {
  let file = try check(MemoryBytes(try write(tensors, level: level)))
  return file.manifest.adapters[0].streams.reduce(0) { $0 + $1.storedByteCount }
}

@Suite struct CompressionTests {
  /// Names that differ in numbers only make neighbours of tensors of one scale.
  @Test(arguments: [CompressionLevel.fast, .default])
  func tensorsOfOneKindStandTogether(_ level: CompressionLevel) throws {
    let layers = try alternating { "layers.\($0 / 2).lora_\($0 % 2 == 0 ? "A" : "B")" }
    let strangers = try alternating { String(repeating: "x", count: $0 + 1) }
    #expect(try payload(layers, level) * 100 < payload(strangers, level) * 99)
  }

  /// Where names say nothing, the values do.
  @Test func theSmallestFilesDoNotDependOnNames() throws {
    let layers = try payload(alternating { "layers.\($0 / 2).\($0 % 2)" }, .max)
    let strangers = try payload(alternating { String(repeating: "x", count: $0 + 1) }, .max)
    #expect(layers == strangers)
    #expect(try layers <= payload(alternating { "layers.\($0 / 2).\($0 % 2)" }, .default))
  }

  /// Within one tensor there is no order to choose, but blocks can end where its values change.
  @Test func theSmallestFilesHaveATableForEachPart() throws {
    let parts = try alternating { "\($0)" }.map { try $0.bytes.bytes(at: 0, count: 2 * 4096) }
    let bytes = parts.indices.sorted { ($0 % 2, $0) < ($1 % 2, $1) }.flatMap { parts[$0] }
    // Twice half a chunk, so that both scales are in every chunk.
    let halves = [bytes[..<(bytes.count / 2)], bytes[(bytes.count / 2)...]]
    let mixed = (0..<4).flatMap { part in
      halves.flatMap { half in
        let count = half.count / 4
        return Array(half.dropFirst(part * count).prefix(count))
      }
    }
    let shape = try #require(Shape([UInt64(mixed.count / 2)]))
    let info = TensorInfo(name: "t", type: .bf16, shape: shape)
    let tensor = TensorContents(info, bytes: MemoryBytes(mixed), offset: 0)
    #expect(try payload([tensor], .max) * 100 < payload([tensor], .default) * 99)
  }
}
