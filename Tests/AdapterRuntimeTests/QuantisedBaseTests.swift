import AdapterRuntime
import Operations
import Checkpoints
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// A base that stores what an adapter changes in too few values is refused for that.
@Suite struct QuantisedBaseTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func lora(_ target: Name) throws -> Adapter {
    var made = HandMadeAdapter()
    let a = made.operand("a", [2, 8], (0..<16).map { Float($0) / 8 - 1 })
    let b = made.operand("b", [8, 2], (0..<16).map { Float($0) / 16 - 0.5 })
    try made.append(AddLowRank(target: Target(target, layout: .outIn), a: a, b: b, scale: 1))
    return made.adapter
  }

  /// A base with a quantised `q_proj` and an `o_proj` of floats.
  private func base(
    _ scheme: QuantisationScheme, prefix: String = "model."
  ) throws -> Checkpoint {
    var made = HandMadeCheckpoint()
    made.add(quantised: "\(prefix)layers.0.self_attn.q_proj", scheme)
    made.add(
      Name("\(prefix)layers.0.self_attn.o_proj.weight"), [8, 8], (0..<64).map { Float($0) })
    return try made.write(to: folder)
  }

  private func refusal(_ target: Name, _ base: Checkpoint) throws -> AdapterError {
    try #require(
      throws: AdapterError.self,
      performing: { try AdaptedCheckpoint(base, applying: try lora(target)) })
  }

  /// Under its own name, and under one with another prefix.
  @Test(
    arguments: QuantisationScheme.allCases,
    ["model.layers.0.self_attn.q_proj.weight", "layers.0.self_attn.q_proj.weight"])
  func aTargetIsRefusedByItsScheme(_ scheme: QuantisationScheme, _ target: String) throws {
    let error = try refusal(Name(target), try base(scheme))
    guard case .quantised(let found, let names) = error.cause as? BaseVerdict else {
      return Issue.unexpected(error)
    }
    #expect(found == scheme)
    #expect(names == ["model.layers.0.self_attn.q_proj.weight"])
    #expect(error.description.contains(scheme.rawValue))
    #expect(
      error.advice
        == "write floats: --dequantize; write codes again: --requantize; or merge into the unquantised original"
    )
    #expect(error.isOfBase)
  }

  /// A change of all experts at once, of which the base has each by itself.
  @Test func aStackOfQuantisedExpertsIsRefused() throws {
    var made = HandMadeCheckpoint()
    for expert in 0..<2 {
      made.add(quantised: "model.layers.0.mlp.experts.\(expert).down_proj", .gptq)
    }
    let error = try refusal("model.layers.0.mlp.experts.down_proj", made.write(to: folder))
    guard case .quantised(.gptq, let names) = error.cause as? BaseVerdict else {
      return Issue.unexpected(error)
    }
    #expect(names.count == 2)
  }

  /// What no adapter changes is copied, bytes and all.
  @Test(arguments: QuantisationScheme.allCases)
  func whatIsNotChangedStaysAsItIs(_ scheme: QuantisationScheme) throws {
    let base = try base(scheme)
    let view = try AdaptedCheckpoint(
      base, applying: try lora("model.layers.0.self_attn.o_proj.weight"))
    let output = folder.appending("merged")
    let receipt = try Merge(view).write(to: output, replacing: false)
    #expect(receipt.changed == ["model.layers.0.self_attn.o_proj.weight"])
    let (before, after) = (try EditedBase(base), try EditedBase(Checkpoint(output)))
    #expect(before.tensors.keys == after.tensors.keys)
    for (name, tensor) in before.tensors where name != receipt.changed[0] {
      #expect(
        after.tensors[name]?.bytes == tensor.bytes && after.tensors[name]?.type == tensor.type)
    }
  }

  /// One quantised target is enough: nothing is merged by halves.
  @Test func oneOfTwoTargetsIsEnough() throws {
    var made = HandMadeAdapter()
    for (place, name) in ["o_proj", "q_proj"].enumerated() {
      let delta = made.operand(
        Name("d\(place)"), [8, 8], Array(repeating: 1, count: 64))
      let target = Target(Name("model.layers.0.self_attn.\(name).weight"))
      try made.append(Replace(target: target, value: delta, absent: .refuse))
    }
    let base = try base(.gptq)
    let adapter = made.adapter
    let error = #expect(throws: AdapterError.self) {
      try AdaptedCheckpoint(base, applying: adapter)
    }
    #expect(error?.kind == .quantised)
  }

  /// A scheme that is known by its name only is refused by it, not for the names and shapes that come of it.
  @Test(arguments: [
    ("{\"quantization_config\": {\"quant_method\": \"aqlm\"}}", "a.codes", "aqlm"),
    ("{\"quantization_config\": {\"quant_method\": \"quanto\"}}", "a.weight", "quanto"),
    ("{}", "a.W_q", "hqq"), ("{}", "a._weight_qdata", "torchao"),
  ])
  func aSchemeThatIsNotReadIsNamed(_ config: String, _ stored: String, _ scheme: String) throws {
    var made = HandMadeCheckpoint()
    made.add(Name(stored), .u8, [4, 8], Array(repeating: 0, count: 32))
    let base = try made.write(to: folder, config: config)
    let refused = try refusal("a.weight", base)
    #expect(refused.reason.contains("quantised by \(scheme), which is not read"), "\(refused)")
    let error = #expect(throws: CheckpointError.self) { try base.dequantised() }
    if case .unreadScheme(_, scheme)? = error { return }
    Issue.record("\(String(describing: error))")
  }

  /// Floats of eight bits without scales, and integers, are what they are.
  @Test func withoutWhatBelongsToAScheme() throws {
    var made = HandMadeCheckpoint()
    made.add("a.weight", .f8E4M3, [8, 8], Array(repeating: 0, count: 64))
    made.add("b.weight", .u8, [8, 8], Array(repeating: 0, count: 64))
    made.add("c.weight", .i8, [8, 8], Array(repeating: 0, count: 64))
    made.add("d_packed", [1], [0])
    let base = try made.write(to: folder)
    for name: Name in ["a.weight", "b.weight", "c.weight", "d"] {
      #expect(base.quantisation(of: name) == nil)
    }
    let refused = try refusal("a.weight", base)
    #expect(refused.kind == .type && refused.reason.contains("F8_E4M3"))
  }

  /// A base that was quantised where the adapter leaves it alone is another one, that one may insist on.
  @Test func aBaseThatWasQuantisedElsewhere() throws {
    var made = HandMadeCheckpoint()
    let (query, output): (Name, Name) = (
      "model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.o_proj.weight"
    )
    for name in [query, output] { made.add(name, [8, 8], (0..<64).map { Float($0) }) }
    let original = try made.write(to: try TemporaryFolder())
    let adapter = try BoundAdapter(try lora(output), to: original).recordingBase(original)
    let quantised = try base(.gptq)
    let error = #expect(throws: AdapterError.self) {
      try AdaptedCheckpoint(quantised, applying: adapter)
    }
    #expect(error?.cause as? BaseVerdict == .othersDiffer([query]))
    _ = try AdaptedCheckpoint(quantised, applying: adapter, policy: .init(otherBase: .allow))
    let own = try BoundAdapter(try lora(output), to: quantised).recordingBase(quantised)
    #expect(try AdaptedCheckpoint(quantised, applying: own).verdict == .exact)
  }

  // MARK: A base that was quantised since

  /// Values of a trained matrix, more or less; other ones with another seed.
  private static func weights(_ seed: UInt64) -> [Float] {
    var state = seed
    return (0..<96 * 64).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(Int32(truncatingIfNeeded: state >> 33)) / 0x1p31
    }
  }

  /// The model with weights of these seeds; quantised as LLM.int8 does.
  private func model(
    _ query: UInt64, _ output: UInt64, norm: Float = 1, isQuantised: Bool
  ) throws -> Checkpoint {
    var made = HandMadeCheckpoint()
    for (leaf, seed) in [("q_proj", query), ("o_proj", output)] {
      let (module, values) = ("model.layers.0.self_attn.\(leaf)", Self.weights(seed))
      guard isQuantised else {
        made.add(Name("\(module).weight"), [96, 64], values)
        continue
      }
      let rows = stride(from: 0, to: values.count, by: 64).map { Array(values[$0..<$0 + 64]) }
      let largest = rows.map { row in row.map(\.magnitude).max() ?? 1 }
      let codes = zip(rows, largest).flatMap { row, largest in
        row.map { UInt8(bitPattern: Int8(($0 * 127 / largest).rounded())) }
      }
      made.add(Name("\(module).weight"), .i8, [96, 64], codes)
      made.add(Name("\(module).SCB"), [96], largest)
    }
    made.add("model.norm.weight", [4], [1, norm, 1, 1])
    return try made.write(to: try TemporaryFolder())
  }

  private func recorded(on original: Checkpoint) throws -> Adapter {
    var made = HandMadeAdapter()
    let a = made.operand("a", [1, 64], (0..<64).map { Float($0) / 640 })
    let b = made.operand("b", [96, 1], (0..<96).map { Float($0) / 960 })
    let target = Target("model.layers.0.self_attn.q_proj.weight", layout: .outIn)
    try made.append(AddLowRank(target: target, a: a, b: b, scale: 1))
    return try BoundAdapter(made.adapter, to: original).recordingBase(original)
  }

  /// An adapter that was recorded on the original fits a quantised copy nearly, and that of another model not at all.
  @Test func aQuantisedCopyIsNear() throws {
    let adapter = try recorded(on: model(1, 2, isQuantised: false))
    let copy = try model(1, 2, isQuantised: true).dequantised()
    let view = try AdaptedCheckpoint(copy, applying: adapter)
    guard case .near(let near) = view.verdict else {
      Issue.record("\(view.verdict)")
      return
    }
    #expect(near.scheme == .bitsandbytesInt8)
    #expect(near.names.count == 2)
    // Half a step of 127, evenly spread, of values that are spread evenly up to the largest.
    #expect((0.003...0.007).contains(near.distance), "\(near.distance)")
    let change = try #require(near.distanceInChanges)
    #expect(change > near.distance)
    let policy = AdaptedCheckpoint.Policy(missingFingerprint: .refuse)
    let refusal = #expect(throws: AdapterError.self) {
      _ = try AdaptedCheckpoint(copy, applying: adapter, policy: policy)
    }
    #expect(refusal?.kind == .near)
    for (other, kind) in [
      (try model(3, 2, isQuantised: true), AdapterError.Kind.targetsDiffer),
      (try model(1, 3, isQuantised: true), .othersDiffer),
      (try model(1, 2, norm: 1.01, isQuantised: true), .othersDiffer),
      (try model(1, 2, norm: 1.01, isQuantised: false), .othersDiffer),
    ] {
      let error = #expect(throws: AdapterError.self) {
        _ = try AdaptedCheckpoint(other.dequantised(), applying: adapter)
      }
      #expect(error?.kind == kind)
    }
  }
}
