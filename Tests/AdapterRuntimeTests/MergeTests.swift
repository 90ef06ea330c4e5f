import AdapterFormat
import AdapterInterop
import AdapterRuntime
import Adapters
import Checkpoints
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// The base that a fixture was made for.
func base(of name: String) throws -> (adapter: Adapter, base: Checkpoint) {
  let adapter = try PEFTImport(PEFTFolder(Repository.peft(name))).adapter
  let folder = try #require(adapter.base?.name?.split(separator: "/").last)
  return (adapter, try Checkpoint(Repository.base(String(folder))))
}

/// Values of a tensor as doubles.
func doubles(_ bytes: [UInt8], _ type: ElementType) -> [Double] {
  let width = type.bitWidth / 8
  return stride(from: 0, to: bytes.count, by: width).map { start in
    let bits = bytes[start..<start + width].reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
    return switch type {
    case .bf16: Double(Float(bitPattern: UInt32(bits) << 16))
    case .f16: Double(Float16(bitPattern: UInt16(bits)))
    case .f32: Double(Float(bitPattern: UInt32(bits)))
    default: Double(bitPattern: bits)
    }
  }
}

/// Half the distance between neighbours of a type at a value.
private func halfStep(_ value: Double, _ type: ElementType) -> Double {
  let (bits, smallest) =
    switch type {
    case .bf16: (7, -126)
    case .f16: (10, -14)
    case .f32: (23, -126)
    default: (52, -1022)
    }
  let exponent = max(value == 0 ? smallest : Int(value.exponent), smallest)
  return Double(sign: .plus, exponent: exponent - bits - 1, significand: 1)
}

extension Checkpoint {
  func values(_ name: Name) throws -> [Double] {
    let tensor = try #require(self.tensor(name))
    let bytes = try tensor.file.bytes(at: tensor.offset, count: tensor.info.byteCount)
    return doubles(bytes, tensor.info.type)
  }
}

@Suite struct MergeTests {
  /// Every element is the float64 reference, rounded once: within half a step of the stored type,
  /// and what sums of rank + 1 terms in F32 may lose.
  @Test(arguments: Repository.peftCases)
  func theResultIsTheReferenceRoundedOnce(_ name: String) throws {
    let (adapter, base) = try base(of: name)
    let view = try AdaptedCheckpoint(base, applying: adapter)
    let reference = try Checkpoint(Repository.peft(name).appending("reference.safetensors"))
    #expect(Set(view.changedNames) == Set(reference.names))
    for stored in view.changedNames {
      let type = try #require(base.tensor(stored)).info.type
      let contents = try #require(try view.contents(of: stored))
      let (merged, expected) = (doubles(contents, type), try reference.values(stored))
      let original = try base.values(stored)
      let largest = zip(original, expected).map { abs($0) + abs($1 - $0) }.max() ?? 0
      let isDouble = adapter.tensors.contains { $0.type == .f64 }
      let sums = isDouble ? 0x1p-50 * largest : 0x1p-21 * largest
      for (value, wanted) in zip(merged, expected) {
        #expect(abs(value - wanted) <= halfStep(wanted, type) + sums)
      }
      let error = zip(merged, expected).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
      let size = expected.reduce(0) { $0 + $1 * $1 }
      if type == .f32 { #expect((error / size).squareRoot() <= 1e-6) }
    }
  }

  /// On disk is what the view shows; everything else is the base, byte for byte.
  @Test(arguments: Repository.peftCases)
  func aMergeWritesTheView(_ name: String) throws {
    let (adapter, base) = try base(of: name)
    let view = try AdaptedCheckpoint(base, applying: adapter)
    let folder = try TemporaryFolder()
    let receipt = try Merge(view).write(to: folder.appending("out"), replacing: false)
    let merged = try Checkpoint(folder.appending("out"))
    #expect(merged.shards.map(\.name) == base.shards.map(\.name))
    for (index, shard) in base.shards.enumerated() {
      #expect(merged.shards[index].file.header == shard.file.header)
    }
    for tensor in base.tensors {
      let written = try #require(merged.tensor(tensor.info.name))
      let bytes = try written.file.bytes(at: written.offset, count: tensor.info.byteCount)
      #expect(bytes == (try view.contents(of: tensor.info.name)))
      let original = try tensor.file.bytes(at: tensor.offset, count: tensor.info.byteCount)
      #expect((bytes == original) != view.changedNames.contains(tensor.info.name))
    }
    #expect(receipt.changed == view.changedNames)
    #expect(receipt.changed.count + receipt.untouchedCount == base.tensors.count)
    #expect(folder.names == ["out"])
  }

  /// The same weights as on the Hub, without `transformer.`.
  @Test func oneRewrittenPrefixGivesTheSameWeights() throws {
    let (adapter, base) = try base(of: "gpt2_all")
    let hub = try Checkpoint(Repository.base("tiny-gpt2-hub"))
    let (view, hubView) = (
      try AdaptedCheckpoint(base, applying: adapter), try AdaptedCheckpoint(hub, applying: adapter)
    )
    #expect(hubView.adapter.rule == .prefix(from: "transformer.", to: ""))
    for name in view.changedNames {
      let short = name.dropFirst("transformer.".utf8.count)
      #expect(try view.contents(of: name) == hubView.contents(of: short))
    }
  }

  @Test func aPEFTFolderAndItsFileMergeAlike() throws {
    let (adapter, base) = try base(of: "llama_patterns")
    let sink = MemorySink()
    try Adapter.write([adapter], to: sink)
    let file = try Adapter(AdapterFile(MemoryBytes(sink.bytes)), index: 0)
    let (first, second) = (
      try AdaptedCheckpoint(base, applying: adapter), try AdaptedCheckpoint(base, applying: file)
    )
    for name in first.changedNames {
      #expect(try first.contents(of: name) == second.contents(of: name))
    }
  }
}
