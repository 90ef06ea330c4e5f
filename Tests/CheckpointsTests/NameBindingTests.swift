import Checkpoints
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// A checkpoint that stores one byte under each name.
private func checkpoint(_ names: [Name], in folder: TemporaryFolder) throws -> Checkpoint {
  let shape = try #require(Shape([1]))
  let header = SafetensorsHeader(
    canonical: names.map { TensorInfo(name: $0, type: .u8, shape: shape) }, metadata: nil)
  let bytes = header.encoded + [UInt8](repeating: 0, count: names.count)
  return try Checkpoint(folder.write(bytes, to: "model.safetensors"))
}

@Suite struct NameBindingTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func bind(
    _ targets: [Name], to stored: [Name], hints: [Name: Name] = [:]
  ) throws -> NameBinding {
    let checkpoint = try checkpoint(stored, in: folder)
    return try NameBinding(targets, hints: hints, in: checkpoint) { checkpoint.tensor($1) != nil }
  }

  @Test func namesOfTheBaseAreExact() throws {
    let binding = try bind(["m.a.weight"], to: ["m.a.weight", "a.weight"])
    #expect(binding.rule == .exact)
    #expect(binding.stored == ["m.a.weight": "m.a.weight"])
  }

  @Test func recordedNamesComeSecond() throws {
    let binding = try bind(
      ["m.a.weight"], to: ["x.weight"], hints: ["m.a.weight": "x.weight"])
    #expect(binding.rule == .bound)
  }

  @Test func tiedNamesAreFound() throws {
    let binding = try bind(
      ["lm_head.weight", "m.a.weight"], to: ["model.embed_tokens.weight", "m.a.weight"])
    #expect(binding.rule == .tie)
    #expect(binding.stored["lm_head.weight"] == "model.embed_tokens.weight")
  }

  @Test(arguments: [
    ("transformer.h.0.attn.c_attn.weight", "h.0.attn.c_attn.weight", "transformer.", ""),
    ("encoder.layer.0.q.weight", "bert.encoder.layer.0.q.weight", "", "bert."),
    (
      "model.language_model.layers.0.q.weight", "language_model.model.layers.0.q.weight",
      "model.language_model.", "language_model.model."
    ),
  ])
  func onePrefixIsRewritten(_ target: String, _ stored: String, _ from: String, _ to: String)
    throws
  {
    let binding = try bind([Name(target)], to: [Name(stored), "other.norm.weight"])
    #expect(binding.rule == .prefix(from: Name(from), to: Name(to)))
  }

  @Test(arguments: [
    (
      ["gpt_neox.a.weight", "lm_head.weight"], ["gpt_neox.a.weight", "embed_out.weight"], "gpt_neox"
    ),
    (
      ["model.language_model.layers.0.q.weight", "lm_head.weight"],
      ["language_model.model.layers.0.q.weight", "language_model.lm_head.weight"], "llava"
    ),
    (
      ["model.language_model.layers.0.q.weight", "model.visual.blocks.0.q.weight"],
      ["model.layers.0.q.weight", "visual.blocks.0.q.weight"], "qwen2_vl"
    ),
    (["e.LayerNorm.weight"], ["e.LayerNorm.gamma"], "gamma_beta"),
  ])
  func familiesWithOtherNamesInFilesAreKnown(
    _ targets: [String], _ stored: [String], _ family: String
  ) throws {
    let binding = try bind(targets.map { Name($0) }, to: stored.map { Name($0) })
    #expect(binding.rule == .table(family: family))
    for (target, name) in zip(targets, stored) {
      #expect(binding.stored[Name(target)]?.text == name)
    }
  }

  /// What the user says of one target beats the ladder; the others still go up it.
  @Test func aGivenNameBeatsTheLadder() throws {
    let checkpoint = try checkpoint(["x.weight", "h.0.q.weight"], in: folder)
    let binding = try NameBinding(
      ["transformer.h.0.q.weight", "transformer.odd.weight"], hints: [:],
      given: ["transformer.odd.weight": "x.weight"], in: checkpoint
    ) { checkpoint.tensor($1) != nil }
    #expect(binding.rule == .prefix(from: "transformer.", to: ""))
    #expect(binding.stored["transformer.odd.weight"] == "x.weight")
  }

  @Test func twoPrefixesThatFitAreAmbiguous() throws {
    let error = #expect(throws: NameBinding.Failure.self) {
      try bind(
        ["layers.0.q_proj.weight"],
        to: ["text_model.layers.0.q_proj.weight", "vision_model.layers.0.q_proj.weight"])
    }
    guard case .ambiguous(let rules) = error else { return Issue.unexpected(error) }
    #expect(rules.count == 2)
  }

  @Test(arguments: [
    // Another layer, another matrix, a head for an embedding: never a rewrite.
    ("model.layers.0.q.weight", "model.layers.1.q.weight"),
    ("model.layers.0.q.weight", "model.layers.0.k.weight"),
    ("head.weight", "model.embed.weight"),
    ("classifier.dense.weight", "bert.pooler.dense.weight"),
    ("decoder.layers.0.q.weight", "encoder.layers.0.q.weight"),
  ])
  func whatIsNotTheSameIsNotBound(_ target: String, _ stored: String) throws {
    let error = #expect(throws: NameBinding.Failure.self) {
      try bind([Name(target)], to: [Name(stored)])
    }
    guard case .unbound(let candidates) = error else { return Issue.unexpected(error) }
    #expect(candidates.keys.contains(Name(target)))
  }

  @Test func rungsAreNotMixed() throws {
    #expect(throws: NameBinding.Failure.self) {
      try bind(
        ["transformer.h.0.a.weight", "transformer.h.1.a.weight"],
        to: ["transformer.h.0.a.weight", "h.1.a.weight"])
    }
  }

  @Test func twoTargetsOnOneTensorCollide() throws {
    let error = #expect(throws: NameBinding.Failure.self) {
      try bind(
        ["m.a.weight", "m.b.weight"], to: ["x.weight"],
        hints: ["m.a.weight": "x.weight", "m.b.weight": "x.weight"])
    }
    guard case .collision = error else { return Issue.unexpected(error) }
  }

  /// What shares a tensor by the model's own design meets there; it is decided later whether that is
  /// right.
  @Test func tiedTargetsMeet() throws {
    let embed: Name = "model.embed_tokens.weight"
    let targets: [Name] = ["lm_head.weight", embed]
    let recorded = Dictionary(uniqueKeysWithValues: targets.map { ($0, embed) })
    for hints in [[:], recorded] {
      let binding = try bind(targets, to: [embed], hints: hints)
      #expect(binding.rule == .tie)
      #expect(binding.stored == recorded)
      #expect(binding.renamed("lm_head.weight") == "lm_head.weight")
    }
  }
}
