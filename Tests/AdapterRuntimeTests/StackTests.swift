import AdapterInterop
import AdapterRuntime
import Operations
import Checkpoints
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

private func stack(_ fixture: StackCase) throws -> [WeightedAdapter] {
  let base = try Checkpoint(fixture.basePath)
  return try fixture.adapters.map { path, weight in
    let folder = Repository.fixtures.pushing(FilePath(path))
    return WeightedAdapter(try adapter(at: folder, for: base), weight: weight, label: path)
  }
}

/// Stacks of what PEFT wrote, against PEFT's own changes put together in float64.
@Suite struct StackTests {
  /// Methods whose formula divides by norms or solves equations.
  private static func isLoose(_ fixture: StackCase) -> Bool {
    fixture.adapters.contains { $0.path.contains("dora") || $0.path.contains("oft") }
  }

  /// Every element is the float64 reference, rounded once: within half a step of the stored type, and
  /// what each adapter's sums in F32 may lose ([STK-2]).
  @Test(arguments: StackCase.all)
  func aStackIsTheReferenceRoundedOnce(_ fixture: StackCase) throws {
    let base = try Checkpoint(fixture.basePath)
    let view = try AdaptedCheckpoint(base, applying: stack(fixture))
    let reference = try Checkpoint(fixture.reference)
    #expect(Set(view.changedNames) == Set(reference.names))
    let loss = Self.isLoose(fixture) ? 0x1p-17 : 0x1p-21
    for tensor in view.tensors {
      let contents = try #require(try view.contents(of: tensor.info.name))
      let values = doubles(contents, tensor.info.type)
      let expected = try reference.values(tensor.info.name)
      #expect(values.count == expected.count)
      let original = try base.values(tensor.info.name)
      let largest = zip(original, expected).map { abs($0) + abs($1 - $0) }.max() ?? 0
      let sums = loss * largest * Double(fixture.adapters.count)
      let wrong = zip(values, expected).count { value, wanted in
        abs(value - wanted) > halfStep(wanted, tensor.info.type) + sums
      }
      #expect(wrong == 0, "\(tensor.info.name)")
    }
  }

  /// Sums do not depend on their order but for rounding; the fixture is seen to change with a weight.
  @Test func additiveAdaptersCommute() throws {
    let fixture = try #require(StackCase.all.first { $0.name == "additive" })
    let base = try Checkpoint(fixture.basePath)
    var all = try stack(fixture)
    let view = try AdaptedCheckpoint(base, applying: all)
    let reversed = try AdaptedCheckpoint(base, applying: all.reversed())
    all[0].weight += 0.01
    let other = try AdaptedCheckpoint(base, applying: all)
    let name: Name = "model.layers.0.self_attn.k_proj.weight"
    func distance(_ left: AdaptedCheckpoint, _ right: AdaptedCheckpoint) throws -> Double {
      let left = doubles(try #require(try left.contents(of: name)), .f32)
      let right = doubles(try #require(try right.contents(of: name)), .f32)
      return zip(left, right).map { abs($0 - $1) }.max() ?? 0
    }
    #expect(try distance(view, reversed) <= 0x1p-20)
    #expect(try distance(view, other) > 0x1p-14)
  }

  /// With weight 0 an adapter of any method is left out, alone and beside another ([STK-1]).
  @Test(arguments: PEFTCase.all)
  func weightZeroIsTheBase(_ fixture: PEFTCase) throws {
    let (adapter, base) = try open(fixture)
    let view = try AdaptedCheckpoint(base, applying: [WeightedAdapter(adapter, weight: 0)])
    #expect(view.tensors.isEmpty && view.names == base.names.sorted())
    for tensor in base.tensors {
      let bytes = try tensor.contents()
      #expect(try view.contents(of: tensor.info.name) == bytes)
    }
    #expect(view.receipt.adapters.map(\.changedCount) == [0])
  }

  /// In a stack in which nothing else acts, weight 1 gives the bytes of the adapter alone.
  @Test(arguments: PEFTCase.mergeable)
  func weightOneIsTheAdapterAlone(_ fixture: PEFTCase) throws {
    let (adapter, base) = try open(fixture)
    let alone = try AdaptedCheckpoint(base, applying: adapter)
    let view = try AdaptedCheckpoint(
      base, applying: [WeightedAdapter(adapter, weight: 0), WeightedAdapter(adapter, weight: 1)])
    #expect(view.changedNames == alone.changedNames)
    for name in alone.changedNames {
      #expect(view.info(of: name) == alone.info(of: name))
      #expect(try view.contents(of: name) == alone.contents(of: name))
    }
  }

  /// Halves of an additive adapter are the whole; of IA3 they are not, and their product is known.
  @Test func weightsOfOneAdapterAdd() throws {
    let (adapter, base) = try base(of: "llama_rslora")
    let whole = try AdaptedCheckpoint(base, applying: adapter)
    let halves = try AdaptedCheckpoint(
      base,
      applying: [WeightedAdapter(adapter, weight: 0.75), WeightedAdapter(adapter, weight: 0.25)])
    for name in whole.changedNames {
      let (left, right) = (
        doubles(try #require(try whole.contents(of: name)), .f32),
        doubles(try #require(try halves.contents(of: name)), .f32)
      )
      #expect(zip(left, right).allSatisfy { abs($0 - $1) <= 0x1p-21 })
    }
  }

  /// What is turned or replaced has no parts ([STK-3]).
  @Test(arguments: [
    "oft_llama", "boft_llama", "hra_llama", "road_1", "llama_saved_head", "llama_tokens", "gpt2_ln",
    "gpt2_seq_cls", "llama_resized",
  ])
  func partsOfRotationsAndReplacementsAreRefused(_ name: String) throws {
    let (adapter, base) = try base(of: name)
    for weight in [0.5, -1, 2] {
      let error = #expect(throws: AdapterError.self) {
        try AdaptedCheckpoint(base, applying: [WeightedAdapter(adapter, weight: weight)])
      }
      #expect(error?.kind == .factor && error?.advice?.contains("weight 1") == true)
      #expect(error?.reason.contains("weight \(weight)") == true)
    }
  }

  @Test(arguments: [Double.nan, .infinity, -.infinity])
  func aWeightIsAFiniteNumber(_ weight: Double) throws {
    let (adapter, base) = try base(of: "llama_rslora")
    let error = #expect(throws: AdapterError.self) {
      try AdaptedCheckpoint(
        base,
        applying: [WeightedAdapter(adapter), WeightedAdapter(adapter, weight: weight, label: "x")])
    }
    #expect(error?.kind == .factor && error?.adapter == "x")
  }

  /// What acts at run time only may be there with weight 0 only ([STK-6]).
  @Test func aPromptInAStackIsNamed() throws {
    let (prompt, base) = try base(of: "gpt2_prompt")
    let (adapter, _) = try open(try #require(PEFTCase.all.first { $0.name == "gpt2_ln" }))
    let stack = [WeightedAdapter(adapter), WeightedAdapter(prompt, label: "prompt")]
    let error = #expect(throws: AdapterError.self) {
      try AdaptedCheckpoint(base, applying: stack)
    }
    let says = "prompt: a soft prompt acts at run time and cannot be merged"
    #expect(error?.description.contains(says) == true)
  }

  /// An embedding of no adapter is the base.
  @Test func anEmptyStackIsTheBase() throws {
    let (_, base) = try base(of: "llama_rslora")
    let view = try AdaptedCheckpoint(base, applying: [])
    #expect(view.changedNames.isEmpty && view.verdict == .exact && view.receipt.adapters.isEmpty)
  }
}
