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

/// Checkpoints that should be merges into quantised bases, made by PEFT with bitsandbytes
/// (`Fixtures/makers/quantised.py`), and what is not one.
@Suite struct CodeVerificationTests {
  private static let query: Name = "model.layers.0.self_attn.q_proj.weight"
  static let schemes = ["nf4", "nf4_double", "fp4", "int8"]

  private let folder: TemporaryFolder
  private let lora: Adapter

  init() throws {
    folder = try TemporaryFolder()
    lora = try PEFTImport(PEFTFolder(Repository.fixtures.appending("quantised_lora"))).adapter
  }

  private func verification(
    of merged: Checkpoint, into name: String, weight: Double = 1, tolerance: Double = 0
  ) throws -> MergeVerification {
    let base = try Checkpoint(Repository.fixtures.appending("quantised/\(name)"))
      .dequantised(keepingCodes: true)
    let view = try AdaptedCheckpoint(base, applying: [WeightedAdapter(lora, weight: weight)])
    return try MergeVerification(of: merged, as: view, tolerance: tolerance)
  }

  private func peft(_ name: String) throws -> Checkpoint {
    try Checkpoint(Repository.fixtures.appending("quantised_merged/\(name)"))
  }

  private func edited(_ name: String, _ edit: (inout EditedBase) throws -> Void) throws
    -> Checkpoint
  {
    let original = try peft(name)
    var made = try EditedBase(original)
    try edit(&made)
    return try made.write(
      to: folder, config: String(decoding: original.configPath.contents, as: UTF8.self))
  }

  private func kinds(_ verification: MergeVerification) -> [Name: MergeVerification.Kind] {
    Dictionary(uniqueKeysWithValues: verification.tensors.map { ($0.name, $0.kind) })
  }

  /// PEFT sums in another type and keeps other texts beside the codes; each value is within a step all the same.
  @Test(arguments: schemes) func anotherProgramsCodesAreTheMerge(_ name: String) throws {
    let result = try verification(of: peft(name), into: name)
    #expect(result.isConfirmed && result.countsSteps)
    let kinds = kinds(result)
    #expect(kinds.count == 3 && kinds["model.norm.weight"] == .untouched)
    let difference = try #require(result.tensors.first { $0.name == Self.query }?.difference)
    #expect(difference.count == 0)
    // The nearest code is half a step away; a nested scale may move it.
    #expect(try #require(difference.largest) < 0.7)
  }

  /// Half the change is another merge.
  @Test(arguments: schemes) func anotherWeightIsAnotherMerge(_ name: String) throws {
    let result = try verification(of: peft(name), into: name, weight: 0.5)
    #expect(kinds(result)[Self.query] == .differs)
    // Unless so much is accepted: the distance is half of the larger change.
    let accepted = try verification(of: peft(name), into: name, weight: 0.5, tolerance: 0.6)
    #expect(kinds(accepted)[Self.query] == .withinTolerance)
  }

  @Test(arguments: schemes) func oneOtherCodeIsNoticed(_ name: String) throws {
    let merged = try edited(name) { base in
      var tensor = try #require(base.tensors[Self.query])
      // The other end of the scale.
      tensor.bytes[7] =
        name == "int8" ? (tensor.bytes[7] < 128 ? 0x81 : 0x7F) : tensor.bytes[7] ^ 0x80
      base.tensors[Self.query] = tensor
    }
    let result = try verification(of: merged, into: name)
    let finding = try #require(result.tensors.first { $0.name == Self.query })
    #expect(finding.kind == .differs && finding.difference?.count == 1)
    #expect(result.tensors.count { !$0.kind.isConfirmed } == 1)
  }

  /// Scales are part of the values.
  @Test func anotherScaleIsNoticed() throws {
    let merged = try edited("int8") { base in
      let name: Name = "model.layers.0.self_attn.q_proj.SCB"
      var tensor = try #require(base.tensors[name])
      tensor.bytes[3] = 0x41
      base.tensors[name] = tensor
    }
    #expect(try kinds(verification(of: merged, into: "int8"))[Self.query] == .differs)
  }

  /// bitsandbytes writes a tensor beside the codes that older files do not have.
  @Test func moreBesideTheCodesIsNoOtherTensor() throws {
    let merged = try edited("int8") { base in
      for name in base.tensors.keys where name.hasSuffix(".weight_format") {
        base.tensors[name] = nil
      }
    }
    let view = try AdaptedCheckpoint(
      merged.dequantised(keepingCodes: true), applying: [WeightedAdapter(lora, weight: 1e-3)])
    let out = folder.appending("out")
    try Merge(view).write(to: out, replacing: false)
    var made = try EditedBase(Checkpoint(out))
    for module in ["self_attn.q_proj", "mlp.gate_proj"] {
      made.tensors[Name("model.layers.0.\(module).weight_format")] = .init(.u8, [], [0])
    }
    let other = try TemporaryFolder()
    let result = try MergeVerification(of: made.write(to: other), as: view)
    #expect(result.isConfirmed && result.tensors.count == 3)
  }

  /// Of codes that cannot be decoded the tensors are listed one by one.
  @Test func whatIsMissingIsNamed() throws {
    let gone = Name("\(Self.query).absmax")
    let merged = try edited("nf4") { $0.tensors[gone] = nil }
    let result = try verification(of: merged, into: "nf4")
    #expect(kinds(result)[gone] == .missing)
    #expect(!result.isConfirmed)
  }

  /// One damaged parameter says nothing of another.
  @Test func whatIsSoundIsJudgedAllTheSame() throws {
    let merged = try edited("nf4") { $0.tensors[Name("\(Self.query).absmax")] = nil }
    let result = try verification(of: merged, into: "nf4")
    #expect(kinds(result)["model.layers.0.mlp.gate_proj.weight"] == .withinOneRounding)
    #expect(result.faults.count == 1)
  }

  /// The scale of what goes into a layer is not among what its codes stand for, and part of the model all the same.
  @Test(arguments: [true, false]) func theScalesOfActivationsAreLookedAt(_ isMissing: Bool) throws {
    let name: Name = "model.layers.0.self_attn.q_proj.input_scale"
    let base = try Checkpoint(Repository.fixtures.appending("quantised/fp8_channel"))
    let view = try AdaptedCheckpoint(base.dequantised(keepingCodes: true), applying: lora)
    try Merge(view).write(to: folder.appending("out"), replacing: false)
    var made = try EditedBase(Checkpoint(folder.appending("out")))
    made.tensors[name] =
      isMissing ? nil : try #require(made.tensors[name]).filled(with: 7)
    let other = try TemporaryFolder()
    let result = try MergeVerification(of: made.write(to: other), as: view)
    #expect(kinds(result)[name] == (isMissing ? .missing : .changed))
    #expect(kinds(result)[Self.query] == .identical)
  }

  /// The same bytes stand for other values where the configuration counts zeros in another way.
  @Test func anotherConfigurationIsAnotherModel() throws {
    let base = try Checkpoint(Repository.fixtures.appending("quantised/gptq"))
    let view = try AdaptedCheckpoint(base.dequantised(keepingCodes: true), applying: lora)
    let out = folder.appending("out")
    try Merge(view).write(to: out, replacing: false)
    #expect(try MergeVerification(of: Checkpoint(out), as: view).isConfirmed)
    let config = String(decoding: try out.appending("config.json").contents, as: UTF8.self)
    let changed = config.replacing(
      #""checkpoint_format": "gptq""#, with: #""checkpoint_format": "gptq_v2""#)
    #expect(changed != config)
    try out.appending("config.json").write(Array(changed.utf8))
    let result = try MergeVerification(of: Checkpoint(out), as: view)
    #expect(kinds(result)[Self.query] == .differs)
  }

  /// Each value is within a step, and together they are not the merge: nothing was merged. Where steps are wider still,
  /// nobody can tell.
  @Test(arguments: [(0.01, false), (0.001, true)])
  func theBaseIsNoMergeWhereThatShows(_ weight: Double, _ passes: Bool) throws {
    let base = try Checkpoint(Repository.fixtures.appending("quantised/nf4"))
    let result = try verification(of: base, into: "nf4", weight: weight)
    #expect(result.isConfirmed == passes)
    #expect(result.indistinct.contains(Self.query) == passes)
    #expect(result.tensors.allSatisfy { $0.difference?.count ?? 0 == 0 })
  }

  /// Beyond the last code a value is as far off as the exact one is, and the report says how far that is.
  @Test func valuesBeyondTheLastCodeCount() throws {
    let base = try Checkpoint(Repository.fixtures.appending("quantised/gptq"))
    let view = try AdaptedCheckpoint(base.dequantised(keepingCodes: true), applying: lora)
    try Merge(view).write(to: folder.appending("out"), replacing: false)
    var made = try EditedBase(Checkpoint(folder.appending("out")))
    // A scale that is not quite the same.
    let scales: Name = "model.layers.0.self_attn.q_proj.scales"
    made.tensors[scales]?.bytes[0] ^= 1
    let config = try folder.appending("out/config.json").contents
    let other = try TemporaryFolder()
    let merged = try made.write(to: other, config: String(decoding: config, as: UTF8.self))
    let result = try MergeVerification(of: merged, as: view)
    let finding = try #require(result.tensors.first { $0.name == Self.query })
    #expect(finding.kind == .withinOneRounding || finding.kind == .differs)
    #expect(try #require(finding.difference?.largest) > 100)
  }

  /// Floats are another thing than codes.
  @Test func floatsAreNoMergeIntoCodes() throws {
    let base = try Checkpoint(Repository.fixtures.appending("quantised/nf4"))
    let view = try AdaptedCheckpoint(base.dequantised(), applying: lora)
    try Merge(view).write(to: folder.appending("floats"), replacing: false)
    let result = try verification(of: Checkpoint(folder.appending("floats")), into: "nf4")
    #expect(kinds(result)[Self.query]?.isConfirmed == false)
    #expect(!result.isConfirmed)
  }
}

extension EditedBase.Tensor {
  /// The same with all bytes this one.
  fileprivate func filled(with byte: UInt8) -> EditedBase.Tensor {
    .init(type, dimensions, [UInt8](repeating: byte, count: bytes.count))
  }
}
