import Foundation
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// What a user can do where a command alone cannot decide: name, map, leave out, insist.
@Suite struct WayOnTests {
  private let models: SmallModels

  init() throws { models = try SmallModels() }

  // MARK: - Outputs without a name

  @Test func outputsAreCalledAfterTheInputs() throws {
    try models.peft("lora", SmallModels.lora())
    try models.expectDone("merge base.safetensors lora", says: "base+lora.safetensors: ")
    try models.expectDone("merge ./base/ lora:0.5 lora", says: "base+lora+lora: ")
    try models.expectDone("convert lora/adapter_config.json", says: "lora.adp: ")
    try models.expectDone("pack one=lora.adp two=lora.adp -o both.adp")
    try models.expectDone("merge base both.adp#two", says: "base+two: ")
    try models.expectDone(
      "convert lora.adp -o kept --to peft && cd kept && adapter convert . -o ../x.adp")
    try models.expectSame("x.adp", "lora.adp")
    try models.expectDone(
      "convert lora.adp -o here && cd here && adapter convert . && mv here.adp ..")
    // Nothing is replaced by a name that nobody gave, whatever it is.
    try models.expectRefused(
      "merge base.safetensors lora", says: "already exists", "-o FILE.safetensors")
    try models.expectRefused("convert lora", says: "lora.adp already exists")
    try models.expectRefused("convert lora.adp", says: "the output lora already exists")
    #expect(try models.run("merge base lora --force").status == 64)
    #expect(try models.run("convert lora --force").status == 64)
    #expect(try models.run("convert lora.adp --to adp -o y.adp").status == 64)
  }

  @Test func aFolderOfPEFTIsWrittenAgainWithoutWhatIsLeftOut() throws {
    try models.peft("lora", SmallModels.lora() + Self.valueHead)
    try models.expectDone("convert lora --to peft -o clean --drop 'v_head.*'")
    try models.peft("want", SmallModels.lora())
    try models.expectSame("clean/adapter_model.safetensors", "want/adapter_model.safetensors")
  }

  // MARK: - Tensors that do not belong

  private static let valueHead = [("v_head.summary.weight", [1, 8]), ("v_head.summary.bias", [1])]

  @Test func tensorsAreLeftOutByName() throws {
    try models.peft("lora", SmallModels.lora())
    try models.peft("ppo", SmallModels.lora() + Self.valueHead)
    try models.expectRefused("merge base ppo -o x", says: "v_head.summary.", "--drop")
    try models.expectDone("merge base lora -o want")
    try models.expectDone(
      "merge base ppo -o out --drop 'v_head.summary.*'",
      says: "left out, as asked: v_head.summary.bias, v_head.summary.weight")
    try models.expectSame("out/model.safetensors", "want/model.safetensors")
    let receipt = try models.run("merge base ppo -o out2 --drop v_head* --json")
    let entry = try JSONFields(Array(receipt.output.utf8))["adapters"]
    #expect("\(entry ?? .null)".contains("v_head.summary.bias"))
    try models.expectDone("convert ppo --drop v_head.summary.bias --drop v_head.summary.weight")
    #expect(
      try models.run("inspect ppo.adp").output.contains(
        "v_head.summary.bias, v_head.summary.weight"))
    try models.expectDone("merge base ppo.adp -o out3")
    try models.expectSame("out3/model.safetensors", "want/model.safetensors")
    try models.expectRefused(
      "merge base ppo -o x --drop 'v_head.*' --drop nothing", says: "nothing")
    try models.expectRefused(
      "convert ppo -o x.adp --drop '*'", says: "nothing of the adapter is left")
  }

  /// Trainers save the base beside the adapter: it is recognised where the base is at hand, bit for bit.
  @Test func whatTheBaseHasIsLeftOut() throws {
    let embeddings = ("base_model.model.model.layers.1.self_attn.q_proj.weight", [8, 8])
    try models.peft("lora", SmallModels.lora())
    // As the base has it, and not quite: it is the third of its tensors.
    try models.peft("whole", SmallModels.lora() + [embeddings])
    try models.peft(
      "other",
      [("base_model.model.model.layers.0.mlp.gate.weight", [1])] + SmallModels.lora() + [embeddings]
    )
    try models.expectRefused(
      "merge base other -o x --drop *gate*", says: "layers.1.self_attn.q_proj.weight")
    try models.expectDone("merge base lora -o want")
    try models.expectDone("merge base whole -o out", says: "since the base has the same")
    try models.expectSame("out/model.safetensors", "want/model.safetensors")
    try models.expectRefused("convert whole -o x.adp", says: "layers.1.self_attn.q_proj.weight")
    try models.expectDone("convert whole --base base -o x.adp", says: "since the base has the same")
  }

  // MARK: - Names

  @Test(arguments: [
    "decoder.block.=model.layers.", "decoder.block=model.layers", "decoder.block.*=model.layers.*",
    "decoder.block.0.self_attn.q_proj.weight=model.layers.0.self_attn.q_proj.weight",
  ])
  func namesAreMappedByPrefixAndPattern(_ map: String) throws {
    try models.peft("lora", SmallModels.lora())
    try models.peft("other", SmallModels.lora("decoder.block.0.self_attn.q_proj"))
    try models.expectDone("merge base lora -o want")
    try models.expectDone("merge base other -o out --map '\(map)'")
    try models.expectSame("out/model.safetensors", "want/model.safetensors")
    try models.expectDone("convert other --base base -o other.adp --map '\(map)'")
    try models.expectDone("merge base other.adp -o out2")
    try models.expectSame("out2/model.safetensors", "want/model.safetensors")
  }

  /// A saved module follows the map as everything else does, and nothing is made that the base has.
  @Test func savedModulesAreMappedToo() throws {
    try models.base("normed", and: [("model.norm.weight", [8]), ("lm_head.weight", [16, 8])])
    let fields = #", "modules_to_save": ["norm"]"#
    try models.peft(
      "want", fields, SmallModels.lora() + [("base_model.model.model.norm.weight", [8])])
    try models.peft(
      "other", fields, SmallModels.lora() + [("base_model.model.foo.norm.weight", [8])])
    try models.expectDone("merge normed want -o want.out")
    try models.expectDone("merge normed other -o out --map foo=model")
    try models.expectSame("out/model.safetensors", "want.out/model.safetensors")
    try models.peft(
      "wrong", fields, SmallModels.lora() + [("base_model.model.foo.norm.weight", [7])])
    try models.expectRefused(
      "merge normed wrong -o x --map foo=model", says: "model.norm.weight, given for")
  }

  /// What a user leaves out is not missed.
  @Test func aPromiseThatIsLeftOutIsNotHeld() throws {
    try models.peft(
      "lora", #", "modules_to_save": ["lm_head"]"#,
      SmallModels.lora() + [("base_model.model.lm_head.weight", [16, 8])])
    try models.peft("want", SmallModels.lora())
    try models.expectDone("merge base lora -o out --drop '*lm_head*'")
    try models.expectDone("merge base want -o want.out")
    try models.expectSame("out/model.safetensors", "want.out/model.safetensors")
    try models.peft("empty", #", "modules_to_save": ["lm_head"]"#, SmallModels.lora())
    try models.expectRefused("convert empty -o x.adp", says: "modules_to_save", "lm_head")
  }

  /// An adapter may be called as a module is: its name stands behind the part, and nowhere else.
  @Test func anAdapterCalledAsAModuleKeepsIt() throws {
    func saved(_ name: String) -> [(String, [Int])] {
      SmallModels.lora(as: "base_model.model.@.\(name).weight") + [
        ("base_model.model.score.modules_to_save.\(name).dense.weight", [8, 8]),
        ("base_model.model.score.modules_to_save.\(name).out.weight", [3, 8]),
      ]
    }
    let fields = #", "modules_to_save": ["score"]"#
    try models.peft("one", fields, saved("score"))
    try models.expectDone(
      "merge base one -o one.out", says: "new: score.dense.weight, score.out.weight")
    try models.peft("both", fields, saved("a") + saved("dense"))
    for name in ["a", "dense"] {
      try models.expectDone(
        "merge base both#\(name) -o \(name).out", says: "new: score.dense.weight, score.out.weight")
    }
  }

  @Test func aMapThatFitsNothingIsRefused() throws {
    try models.peft("lora", SmallModels.lora())
    try models.expectRefused(
      "merge base lora -o x --map model.=x.", says: "x.layers.0.self_attn.q_proj.weight")
    try models.expectRefused("merge base lora -o x --map q_pro=x", says: "--map q_pro: ")
    try models.expectRefused("merge base lora -o x --map model.lay=x", says: "--map model.lay: ")
    #expect(try models.run("merge base lora -o x --map 'a*=b'").status == 64)
    #expect(try models.run("merge base lora -o x --map '='").status == 64)
  }

  // MARK: - Another base

  @Test func anotherBaseIsForcedByName() throws {
    try models.peft("lora", SmallModels.lora())
    try models.base("other", and: [("x", [3]), ("lm_head.weight", [16, 8])])
    var made = HandMadeCheckpoint()
    for (seed, tensor) in [
      ("model.embed_tokens.weight", [16, 8]), ("model.layers.0.self_attn.q_proj.weight", [8, 8]),
      ("model.layers.1.self_attn.q_proj.weight", [8, 8]), ("lm_head.weight", [16, 8]),
    ].enumerated() {
      made.add(Name(tensor.0), tensor.1, models.values(tensor.1[0] * 8, seed == 1 ? 9 : seed))
    }
    try models.folder.appending("other").appending("model.safetensors").write(made.bytes)
    try models.expectDone("convert lora --base base")
    try models.expectRefused(
      "merge other lora.adp -o x --allow-other-base", says: "wrong base",
      "--allow-other-base=targets")
    try models.expectDone(
      "merge other lora.adp -o out --allow-other-base=targets", says: "merged into another base")
    try models.expectDone("merge other lora -o want")
    try models.expectSame("out/model.safetensors", "want/model.safetensors")
    let receipt = try models.run("merge other lora.adp -o y --allow-other-base=targets --json")
    #expect(receipt.output.contains("\"base\": \"targets_differ\""))
    #expect(try models.run("check other lora.adp").status == 1)
    #expect(try models.run("check other lora.adp --allow-other-base=targets").status == 0)
  }

  // MARK: - Effects

  /// An adapter that was never trained, and one whose change is below what its base's type can hold.
  @Test(arguments: [0, 1e-30 as Float])
  func whatChangesNothingIsTold(_ scale: Float) throws {
    var made = HandMadeCheckpoint()
    for (seed, (name, shape)) in SmallModels.lora().enumerated() {
      let factor = seed == 1 ? scale : 1
      made.add(Name(name), shape, models.values(16, seed).map { abs($0) * factor })
    }
    try models.peft("idle", SmallModels.lora())
    try models.folder.appending("idle").appending("adapter_model.safetensors").write(made.bytes)
    try models.peft("lora", SmallModels.lora())
    var base = HandMadeCheckpoint()
    base.add(Name("\(SmallModels.q).weight"), [8, 8], models.values(64, 1).map { $0 + 1 / 16 })
    base.add("model.norm.weight", [8], models.values(8, 2))
    try models.folder.appending("base").appending("model.safetensors").write(base.bytes)
    let check = try models.run("check base idle")
    #expect(check.status == 1 && check.output.contains("change nothing"))
    #expect(try models.run("check base lora").status == 0)
    #expect(try models.run("check base lora idle").status == (scale == 0 ? 1 : 0))
    #expect(try models.run("check base lora idle:0").status == 0)
    try models.expectDone("merge base idle -o out", says: "warning: nothing is changed")
    try models.expectDone(
      "merge base idle -o out2", says: ": 0 tensors changed (0 parameters), 2 untouched")
    let survey = try models.run("merge base idle --dry-run")
    #expect(survey.output.contains("0 tensors would change (0 parameters), 2 would not"))
    #expect(survey.errors.contains("warning: nothing is changed"))
    let receipt = try JSONFields(Array(models.run("merge base idle -o out3 --json").output.utf8))
    #expect("\(receipt["changed"] ?? .null)" == "\(JSONValue.array([]))")
    try models.expectSame("out/model.safetensors", "base/model.safetensors")
  }

  @Test func absurdScalesAreWarnedOf() throws {
    try models.peft("lora", SmallModels.lora())
    try models.text(
      #"{"peft_type": "LORA", "r": 2, "lora_alpha": 1024, "target_modules": ["q_proj"]}"#,
      to: "lora/adapter_config.json")
    for command in ["merge base lora --dry-run", "check base lora", "merge base lora -o out"] {
      try models.expectDone(command, says: "warning: a scale of 512 on \(SmallModels.q)")
    }
  }
}
