import AdapterFormat
import AdapterInterop
import AdapterRuntime
import Checkpoints
import Operations
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Merges into quantised bases that stay quantised, against what each scheme's library makes of the same values
/// (`Fixtures/makers/quantised.py`).
@Suite struct RequantiseTests {
  private static let fixtures = Repository.fixtures.appending("quantised")
  private static let query: Name = "model.layers.0.self_attn.q_proj.weight"

  private static func names(with file: String) -> [String] {
    Repository.files(below: fixtures, suffix: file).compactMap {
      $0.removingLastComponent().lastComponent?.string
    }
  }

  static let known = names(with: "requantised.safetensors")
  static let all = names(with: "values.safetensors")

  private func base(_ name: String) throws -> Checkpoint {
    try Checkpoint(Self.fixtures.appending(name)).dequantised(keepingCodes: true)
  }

  private func lora() throws -> Adapter {
    try PEFTImport(PEFTFolder(Repository.fixtures.appending("quantised_lora"))).adapter
  }

  private func floats(_ tensor: StoredTensor) throws -> [Double] {
    doubles(try tensor.contents(), tensor.info.type)
  }

  @Test(arguments: known) func theCodesAreTheLibrarys(_ name: String) throws {
    let base = try base(name)
    let folder = try TemporaryFolder()
    let out = folder.appending("out")
    let view = try AdaptedCheckpoint(base, applying: try lora())
    let receipt = try Merge(view).write(to: out, replacing: false)
    let merged = try Checkpoint(out)
    let decoded = try merged.dequantised()
    let reference = try Checkpoint(
      Self.fixtures.appending(name).appending("requantised.safetensors"))
    let result = try floats(#require(decoded.tensor(Self.query)))
    let expected = try floats(#require(reference.tensor(Self.query)))
    // A sum that is rounded in another order may fall on the other side of a step.
    let same = zip(result, expected).count { abs($0 - $1) <= 1e-6 * abs($1) }
    #expect(Double(same) >= 0.998 * Double(expected.count), "\(same) of \(expected.count)")

    // The receipt says what an outside reader finds.
    let before = try floats(#require(base.tensor(Self.query)))
    let wanted = doubles(try #require(try view.contents(of: Self.query)), .f32)
    var (energy, lost, aligned) = (0.0, 0.0, 0.0)
    for index in before.indices {
      let (change, got) = (wanted[index] - before[index], result[index] - before[index])
      energy += change * change
      lost += (got - change) * (got - change)
      aligned += got * change
    }
    let survival = try #require(receipt.survival[Self.query])
    #expect(abs(survival.keptEnergy - max(0, 1 - lost / energy)) < 1e-3)
    #expect(abs(survival.along - aligned / energy) < 1e-3)
    #expect(survival.elementCount == before.count)

    // What no adapter changes is as it was.
    let changed = Set(
      base.decoded.filter { view.changedNames.contains($0.info.name) }.flatMap(\.tensors))
    for shard in base.shards.indices {
      let (old, new) = (
        base.tensorsAsStored(inShard: shard), merged.tensorsAsStored(inShard: shard)
      )
      #expect(old.map(\.info) == new.map(\.info))
      for (old, new) in zip(old, new) where !changed.contains(old.info.name) {
        #expect(try old.contents() == new.contents(), "\(old.info.name)")
      }
    }
    let config = "config.json"
    if Self.fixtures.appending(name).appending(config).exists {
      #expect(
        try out.appending(config).contents
          == Self.fixtures.appending(name).appending(config).contents)
    }
    #expect(receipt.isRequantised && receipt.omittedTensorCount == 0)
    #expect(try MergeSurvey(view).survival[Self.query]?.along == survival.along)
  }

  /// A stack of experts that is stored across: each block's exponent stays where it can.
  @Test func expertsAreMadeAgain() throws {
    let base = try base("mxfp4")
    let folder = try TemporaryFolder()
    let info = base.decoded[0].info
    let shape = info.shape.dimensions
    var made = HandMadeAdapter()
    func values(_ count: Int) -> [Float] { (0..<count).map { Float($0 % 7 - 3) / 8 } }
    var low = AddLowRank(
      target: Target(info.name, layout: .outIn, layoutSource: .sure),
      a: made.operand("a", [shape[0], shape[2]], values(shape[0] * shape[2])),
      b: made.operand("b", [shape[1], shape[0]], values(shape[1] * shape[0])), scale: 1)
    low.experts = shape[0]
    try made.append(low)
    let view = try AdaptedCheckpoint(base, applying: made.adapter)
    let receipt = try Merge(view).write(to: folder.appending("out"), replacing: false)
    let merged = try Checkpoint(folder.appending("out")).dequantised()
    let result = try floats(#require(merged.tensor(info.name)))
    let wanted = doubles(try #require(try view.contents(of: info.name)), .f32)
    // A step is at most 2 of a scale that is at most 2/6 of the block's largest value, or as large as it was.
    let before = try floats(#require(base.tensor(info.name)))
    let (inputs, outputs) = (shape[1], shape[2])
    for (index, value) in wanted.enumerated() {
      let (row, output) = index.quotientAndRemainder(dividingBy: outputs)
      let first = row / inputs * inputs + row % inputs / 32 * 32
      let block = (first..<first + 32).map { $0 * outputs + output }
      let largest = block.map { max(abs(wanted[$0]), 2 * abs(before[$0])) }.max() ?? 0
      #expect(abs(result[index] - value) <= largest / 3)
    }
    #expect(try #require(receipt.survival[info.name]).along > 0.5)
  }

  /// A change of nothing leaves every byte, though most schemes would not give their codes back.
  @Test(arguments: all) func noChangeIsNoChange(_ name: String) throws {
    let base = try base(name)
    let folder = try TemporaryFolder()
    let info = base.decoded[0].info
    let shape = info.shape.dimensions
    guard shape.count == 2, base.decoded.allSatisfy({ $0.reasonNotToRequantise == nil }) else {
      return
    }
    var made = HandMadeAdapter()
    let (a, b) = (
      made.operand("a", [1, shape[1]], [Float](repeating: 1, count: shape[1])),
      made.operand("b", [shape[0], 1], [Float](repeating: 0, count: shape[0]))
    )
    let target = Target(info.name, layout: .outIn, layoutSource: .sure)
    try made.append(AddLowRank(target: target, a: a, b: b, scale: 1))
    let view = try AdaptedCheckpoint(base, applying: made.adapter)
    try Merge(view).write(to: folder.appending("out"), replacing: false)
    let file = "model.safetensors"
    #expect(
      try folder.appending("out").appending(file).contents
        == Self.fixtures.appending(name).appending(file).contents)
  }

  @Test(arguments: ["mlx_4", "packed_int3", "gptq_3"])
  func whatIsNotDefinedIsRefused(_ name: String) throws {
    let (base, lora) = (try base(name), try lora())
    let error = #expect(throws: AdapterError.self) {
      _ = try BaseCheck(base, applying: [WeightedAdapter(lora)])
    }
    #expect(error?.advice == "write floats: --dequantize")
  }

  @Test func whatGoesWithFloatsOnlyIsRefused() throws {
    let folder = try TemporaryFolder()
    let view = try AdaptedCheckpoint(base("nf4"), applying: try lora())
    let out = folder.appending("out")
    #expect(throws: AdapterError.self) {
      try Merge(view, shardByteCount: 1 << 20).write(to: out, replacing: false)
    }
    #expect(throws: AdapterError.self) {
      try Merge(view).write(to: out, replacing: false, undo: folder.appending("undo.adp"))
    }
    #expect(folder.names == [])
  }

  /// Values that the scheme's own types can only hold as infinity are refused.
  @Test func aChangeThatIsTooLargeIsRefused() throws {
    let folder = try TemporaryFolder()
    let view = try AdaptedCheckpoint(
      base("fp4_double"), applying: [WeightedAdapter(try lora(), weight: 1e5)])
    let error = #expect(throws: CheckpointError.self) {
      try Merge(view).write(to: folder.appending("out"), replacing: false)
    }
    guard case .notMade(_, .bitsandbytesFP4, _)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(folder.names == [])
  }

  /// GPTQ's words are put together in bands: each is where it belongs, and every code the nearest.
  @Test func aWideMatrixIsMadeInBands() throws {
    let (inputs, outputs, groupSize) = (1 << 16, 272, 128)
    var random = SeededGenerator(seed: 5)
    func words(_ count: Int) -> [UInt8] {
      (0..<count / 2).flatMap { _ in
        let word = random.next()
        return (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
      }
    }
    let module = "model.layers.0.self_attn.q_proj"
    var made = HandMadeCheckpoint()
    made.add(
      Name("\(module).qweight"), .i32, [inputs / 8, outputs], words(inputs / 8 * outputs))
    made.add(
      Name("\(module).qzeros"), .i32, [inputs / groupSize, outputs / 8],
      [UInt8](repeating: 0x77, count: inputs / groupSize * outputs / 2))
    made.add(
      Name("\(module).scales"), [inputs / groupSize, outputs],
      (0..<inputs / groupSize * outputs).map { 0.01 + Float($0 % 7) / 1000 })
    let folder = try TemporaryFolder()
    let config =
      #"{"quantization_config":{"quant_method":"gptq","bits":4,"group_size":128,"checkpoint_format":"gptq_v2"}}"#
    let base = try made.write(to: folder, config: config).dequantised(keepingCodes: true)
    #expect(base.decoded.map(\.scheme) == [.gptq])
    var adapter = HandMadeAdapter()
    let (a, b) = (
      adapter.operand("a", [1, inputs], (0..<inputs).map { Float($0 % 11 - 5) / 50 }),
      adapter.operand("b", [outputs, 1], (0..<outputs).map { Float($0 % 5 - 2) / 20 })
    )
    try adapter.append(
      AddLowRank(
        target: Target(Self.query, layout: .outIn, layoutSource: .sure), a: a, b: b, scale: 1))
    let view = try AdaptedCheckpoint(base, applying: adapter.adapter)
    let output = try TemporaryFolder()
    try Merge(view).write(to: output.appending("out"), replacing: false)
    let merged = try Checkpoint(output.appending("out")).dequantised()
    let (result, wanted) = (
      try floats(#require(merged.tensor(Self.query))),
      doubles(try #require(try view.contents(of: Self.query)), .f32)
    )
    let before = try floats(#require(base.tensor(Self.query)))
    // Codes count from 7, so that these have neighbours on both sides.
    let far = result.indices.count { index in
      let step = 0.01 + Double((index % inputs / groupSize * outputs + index / inputs) % 7) / 1000
      let isInside = abs(before[index]) < 0.05 && abs(wanted[index]) < 0.05
      return isInside && abs(result[index] - wanted[index]) > 0.5001 * step
    }
    #expect(far == 0)
    #expect(zip(result, before).contains { $0 != $1 })
  }
}
