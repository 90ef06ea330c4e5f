import AdapterFormat
import AdapterInterop
import AdapterRuntime
import Operations
import Checkpoints
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

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
func halfStep(_ value: Double, _ type: ElementType) -> Double {
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
    let bytes = try tensor.contents()
    return doubles(bytes, tensor.info.type)
  }
}

@Suite struct MergeTests {
  /// Methods whose formula divides by norms or solves equations.
  private static let roundingMethods: Set<String> = ["oft", "boft", "hra"]

  /// Every element is the float64 reference, rounded once: within half a step of the stored type,
  /// and what sums of rank + 1 terms in F32 may lose.
  @Test(arguments: PEFTCase.mergeable)
  func theResultIsTheReferenceRoundedOnce(_ fixture: PEFTCase) throws {
    let (adapter, base) = try open(fixture)
    let view = try AdaptedCheckpoint(base, applying: adapter)
    let reference = try Checkpoint(fixture.result("reference.safetensors"))
    #expect(Set(view.changedNames) == Set(reference.names))
    #expect(Set(view.changedNames.map(\.text)) == fixture.changed)
    let isLoose =
      Self.roundingMethods.contains(fixture.method.lowercased()) || fixture.name.contains("dora")
    for tensor in view.tensors {
      let type = tensor.info.type
      let contents = try #require(try view.contents(of: tensor.info.name))
      let expected = try reference.values(tensor.info.name)
      #expect(reference.tensor(tensor.info.name)?.info.shape == tensor.info.shape)
      guard type.isFloat else {
        let stored = try #require(reference.tensor(tensor.info.name))
        #expect(try stored.contents() == contents)
        continue
      }
      let merged = doubles(contents, type)
      let original = try tensor.origin.map { try base.values($0.info.name) } ?? expected
      let largest = zip(original, expected).map { abs($0) + abs($1 - $0) }.max() ?? 0
      let isDouble = adapter.tensors.contains { $0.type == .f64 }
      let sums = (isDouble ? 0x1p-50 : isLoose ? 0x1p-17 : 0x1p-21) * largest
      for (value, wanted) in zip(merged, expected) {
        #expect(abs(value - wanted) <= halfStep(wanted, type) + sums)
      }
      let error = zip(merged, expected).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
      let size = expected.reduce(0) { $0 + $1 * $1 }
      if type == .f32, size > 0 {
        #expect((error / size).squareRoot() <= (isLoose ? 1e-5 : 1e-6))
      }
    }
  }

  /// On disk is what the view shows; everything else is the base, byte for byte.
  @Test(arguments: PEFTCase.mergeable)
  func aMergeWritesTheView(_ fixture: PEFTCase) throws {
    let (adapter, base) = try open(fixture)
    let view = try AdaptedCheckpoint(base, applying: adapter)
    let folder = try TemporaryFolder()
    let receipt = try Merge(view).write(to: folder.appending("out"), replacing: false)
    let merged = try Checkpoint(folder.appending("out"))
    #expect(merged.shards.map(\.name) == base.shards.map(\.name))
    let isSame = receipt.created.isEmpty && receipt.resized.isEmpty
    for (index, shard) in base.shards.enumerated() where isSame {
      #expect(merged.shards[index].file.header == shard.file.header)
    }
    #expect(
      Set(merged.names) == Set(base.names).union(receipt.created), "and no other tensor")
    for tensor in merged.tensors {
      let name = tensor.info.name
      let bytes = try tensor.contents()
      #expect(bytes == (try view.contents(of: name)))
      let original = try base.tensor(name).map {
        try $0.contents()
      }
      #expect((bytes == original) != view.changedNames.contains(name))
    }
    #expect(receipt.changed == view.changedNames)
    #expect(receipt.changed.count + receipt.untouchedCount == merged.tensors.count)
    #expect(Set(receipt.created.map(\.text)) == fixture.created)
    #expect(folder.names == ["out"])
  }

  /// What acts at run time only is not merged, and says so.
  @Test(arguments: PEFTCase.all.filter { !$0.isMergeable })
  func aRunTimeAdapterIsNotMerged(_ fixture: PEFTCase) throws {
    let (adapter, base) = try open(fixture)
    let error = #expect(throws: AdapterError.self) {
      try AdaptedCheckpoint(base, applying: adapter)
    }
    #expect(error?.kind == .misuse && error?.reason.contains("at run time") == true)
  }

  /// An operation or an operand of a later version keeps all of its adapter from being applied ([OPS-2], [OPS-3]).
  @Test(arguments: [
    "opaque_op", "opaque_op_beside", "opaque_op_key", "opaque_op_role", "opaque_op_rules",
    "opaque_op_words", "opaque_operand", "opaque_operand_key", "opaque_operand_shape",
    "ops_opaque_layout", "ops_opaque_multiply", "ops_opaque_replace", "adapters_unlike",
    "requires_elsewhere",
  ])
  func whatIsOfALaterVersionIsNotApplied(_ name: String) throws {
    let path = Repository.fixtures.appending("valid").appending("\(name).adp")
    let adapter = try #require(try Adapter.open(path).first)
    let error = #expect(throws: AdapterError.self) {
      try AdaptedCheckpoint(Checkpoint(Repository.base("tiny-gpt2")), applying: adapter)
    }
    #expect(
      error?.kind == .unknownOperation && error?.reason.contains("is not supported") == true)
  }

  /// The same weights as on the Hub, without `transformer.`.
  @Test func oneRewrittenPrefixGivesTheSameWeights() throws {
    let (adapter, base) = try base(of: "gpt2_all")
    let hub = try Checkpoint(Repository.base("tiny-gpt2-hub"))
    let (view, hubView) = (
      try AdaptedCheckpoint(base, applying: adapter), try AdaptedCheckpoint(hub, applying: adapter)
    )
    #expect(hubView.adapters.first?.bound.rule == .prefix(from: "transformer.", to: ""))
    for name in view.changedNames {
      let short = name.dropFirst("transformer.".utf8.count)
      #expect(try view.contents(of: name) == hubView.contents(of: short))
    }
  }

  /// Bound to its base and written, or as it comes: the weights are the same.
  @Test(arguments: PEFTCase.mergeable)
  func aPEFTFolderAndItsFileMergeAlike(_ fixture: PEFTCase) throws {
    let (plain, base) = try open(fixture)
    let adapter = try BoundAdapter(plain, to: base).recordingBase(base)
    let sink = MemorySink()
    try Adapter.write([adapter], to: sink)
    let file = try Adapter(AdapterFile(MemoryBytes(sink.bytes)), index: 0)
    let (first, second) = (
      try AdaptedCheckpoint(base, applying: plain), try AdaptedCheckpoint(base, applying: file)
    )
    #expect(second.verdict == .exact)
    #expect(first.changedNames == second.changedNames)
    for name in first.changedNames {
      #expect(try first.contents(of: name) == second.contents(of: name))
    }
  }
}
