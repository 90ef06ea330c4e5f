import Foundation
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// What users of adapters have reported elsewhere, as small inputs: each is one of a kind.
@Suite struct ReportedCaseTests {
  private let models: SmallModels
  private var folder: TemporaryFolder { models.folder }

  init() throws { models = try SmallModels() }

  // MARK: - Names

  /// Trainers put wrappers in front, and the adapter's name into the keys: both say nothing of the effect.
  @Test(arguments: [
    "module.base_model.model.@.weight", "model.base_model.model.@.weight",
    "base_model.model.@.default_0.weight", "base_model.model.@.pirate.weight", "@.weight",
  ])
  func wrappersAndTheAdaptersNameAreDropped(_ pattern: String) throws {
    let fields = #", "alpha_pattern": {"^model.layers.0.self_attn.q_proj": 16}"#
    try models.peft("plain", fields, SmallModels.lora())
    try models.peft("other", fields, SmallModels.lora(as: pattern))
    try models.expectDone("merge base plain -o want")
    try models.expectDone("merge base other -o out")
    try models.expectSame("out/model.safetensors", "want/model.safetensors")
  }

  @Test func severalAdaptersInOneFileAreNamed() throws {
    try models.peft(
      "two",
      SmallModels.lora(as: "base_model.model.@.default.weight")
        + SmallModels.lora(as: "base_model.model.@.reference.weight"))
    try models.expectRefused(
      "merge base two -o out", says: "two: holds the adapters default, reference", "PATH#NAME")
    try models.expectRefused("merge base two#other -o out", says: "no adapter is called other")
    try models.peft("one", SmallModels.lora(as: "base_model.model.@.reference.weight"))
    try models.expectDone("merge base one -o want && adapter merge base two#reference -o out")
    // The values of the second adapter are others: a tensor's belong to its place in the file.
    let pair = SmallModels.lora(as: "base_model.model.@.reference.weight")
    try models.tensors(
      SmallModels.lora(as: "base_model.model.@.default.weight") + pair,
      to: "two/adapter_model.safetensors")
    try models.expectDone("convert two#reference && adapter convert reference.adp -o back")
    try models.expectDone("merge base back -o again && adapter merge base two#reference -o twice")
    try models.expectSame("again/model.safetensors", "twice/model.safetensors")
  }

  /// The text model of one that also sees, and the reverse.
  @Test(arguments: ["model.language_model.", "language_model.model.", "model.text_model.", ""])
  func aTextModelIsFoundInALargerOne(_ prefix: String) throws {
    try models.base(
      "large", prefix: prefix, config: "{}", and: [("visual.blocks.0.q.weight", [8, 8])])
    try models.peft("lora", SmallModels.lora())
    try models.expectDone("merge large lora -o out", says: "prefix(")
    try models.peft("back", SmallModels.lora("\(prefix)layers.0.self_attn.q_proj"))
    try models.expectDone("merge base back -o out2")
  }

  /// Both halves fit: the name of one target decides for all.
  @Test func oneNameTellsWhichHalfIsMeant() throws {
    let halves = ["text_model", "vision_model"].flatMap { half in
      (0..<2).map { ("\(half).encoder.layers.\($0).q_proj.weight", [8, 8]) }
    }
    try models.tensors(halves, to: "clip/model.safetensors")
    try models.peft("lora", (0..<2).flatMap { SmallModels.lora("encoder.layers.\($0).q_proj") })
    try models.expectRefused(
      "merge clip lora -o out", says: "several prefixes fit the base", "hint: name one target")
    let result = try models.run(
      "merge clip lora -o out --json --map encoder.layers.1.q_proj.weight=vision_model.encoder.layers.1.q_proj.weight"
    )
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.contains("\"vision_model.encoder.layers.0.q_proj.weight\""))
    #expect(!result.output.contains("\"text_model."))
  }

  // MARK: - Promises

  @Test(arguments: [
    (#", "use_dora": true"#, "", "use_dora"),
    (#", "use_dora": false"#, "lora_magnitude_vector", "use_dora"),
    (#", "lora_bias": true"#, "", "lora_bias"),
    (#", "lora_bias": false"#, "lora_B.bias", "lora_bias"),
    (#", "init_lora_weights": "pissa_niter_4""#, "", "a base that PEFT changed"),
    (#", "init_lora_weights": "new_way""#, "", "no version of PEFT known here"),
  ])
  func whatIsPromisedIsThere(_ fields: String, _ part: String, _ says: String) throws {
    let more = part.isEmpty ? [] : [("base_model.model.\(SmallModels.q).\(part)", [8])]
    try models.peft("lora", fields, SmallModels.lora() + more)
    try models.expectRefused("convert lora -o out.adp", says: says)
  }

  /// Until 0.10 PEFT did not write the head of a task into the configuration.
  @Test(arguments: [
    ("SEQ_CLS", "score"), ("TOKEN_CLS", "classifier"), ("QUESTION_ANS", "qa_outputs"),
  ])
  func theHeadOfATaskIsAModuleToSave(_ task: String, _ head: String) throws {
    try models.peft(
      "lora", ", \"task_type\": \"\(task)\", \"modules_to_save\": null",
      SmallModels.lora() + [("base_model.model.\(head).weight", [3, 8])])
    try models.expectDone("merge base lora -o out", says: "new: \(head).weight")
  }

  /// Of other eight-bit floats no library makes factors.
  @Test func unknownEightBitFloatsAreNamed() throws {
    try models.peft("lora", SmallModels.lora())
    try eightBit(.f8E8M0, Array(repeating: 0x38, count: 16), to: "lora")
    try models.expectRefused("convert lora -o out.adp", says: "eight-bit floats (F8_E8M0)")
  }

  private func eightBit(_ type: ElementType, _ bytes: [UInt8], to name: String) throws {
    var made = HandMadeCheckpoint()
    for (tensor, shape) in SmallModels.lora() { made.add(Name(tensor), type, shape, bytes) }
    try folder.appending(name).appending("adapter_model.safetensors").write(made.bytes)
  }

  /// Every value of both types, by its definition (OCP 8-bit floating point, 5.1): a sign, bits of an exponent of a bias,
  /// bits of a fraction.
  @Test(arguments: [(ElementType.f8E4M3, 3, 7), (.f8E5M2, 2, 15)])
  func eightBitFloatsKeepTheirValues(_ type: ElementType, _ fractionBits: Int, _ bias: Int) throws {
    func value(_ byte: Int) -> Float {
      let fraction = Float(byte & (1 << fractionBits - 1)) / Float(1 << fractionBits)
      let exponent = byte >> fractionBits & (1 << (7 - fractionBits) - 1)
      let magnitude =
        exponent == 0
        ? fraction * exp2(Float(1 - bias)) : (1 + fraction) * exp2(Float(exponent - bias))
      return byte & 0x80 == 0 ? magnitude : -magnitude
    }
    // The last exponent holds what is not finite: of E5M2 all of it, of E4M3 its last value.
    let finite = (0..<256).filter { $0 & 0x7F < (type == .f8E5M2 ? 0x7C : 0x7F) }
    for start in stride(from: 0, to: finite.count, by: 16) {
      let bytes = (0..<16).map { finite[min(start + $0, finite.count - 1)] }
      try models.peft("eight", SmallModels.lora())
      try eightBit(type, bytes.map { UInt8($0) }, to: "eight")
      try models.peft("wide", SmallModels.lora())
      try eightBit(.f32, HandMadeCheckpoint.bytes(bytes.map(value)), to: "wide")
      try models.expectDone(
        "merge base.safetensors eight -o eight.safetensors --force", says: "used as F16")
      try models.expectDone("merge base.safetensors wide -o wide.safetensors --force")
      try models.expectSame("eight.safetensors", "wide.safetensors")
    }
    try models.expectDone("convert eight -o eight.adp && adapter convert eight.adp -o back")
    try models.expectSame("back/adapter_model.safetensors", "eight/adapter_model.safetensors")
  }

  // MARK: - Vocabularies

  /// A vocabulary that grew, with a tokenizer that knows the new tokens.
  @Test func theAdaptersTokenizerComesWithItsTokens() throws {
    try models.peft(
      "lora", #", "modules_to_save": ["embed_tokens", "lm_head"]"#,
      SmallModels.lora()
        + ["model.embed_tokens", "lm_head"].map { ("base_model.model.\($0).weight", [18, 8]) })
    try models.text("{\"of\": \"base\"}", to: "base/tokenizer.json")
    try models.expectDone("merge base lora -o kept", says: "the tokenizer is the base's")
    try models.text("{\"of\": \"adapter\"}", to: "lora/tokenizer.json")
    try models.text("a template", to: "lora/chat_template.jinja")
    try models.expectDone(
      "merge base lora -o out",
      says: "the tokenizer is the adapter's: chat_template.jinja, tokenizer.json")
    try models.expectSame("out/tokenizer.json", "lora/tokenizer.json")
    try models.expectSame("out/chat_template.jinja", "lora/chat_template.jinja")
    try models.expectDone("convert lora -o lora.adp")
    try models.expectDone("merge base lora.adp -o out2")
    try models.expectSame("out2/tokenizer.json", "lora/tokenizer.json")
    try models.peft("second", SmallModels.lora("model.layers.1.self_attn.q_proj"))
    try models.text("{\"of\": \"second\"}", to: "second/tokenizer.json")
    try models.expectRefused(
      "merge base lora second -o out3", says: "bring different tokenizers", "--tokenizer FOLDER")
    try models.expectDone(
      "merge base lora second -o out3 --tokenizer second", says: "the tokenizer is that of second")
    try models.expectSame("out3/tokenizer.json", "second/tokenizer.json")
    // Where no rows need it, the base's will do.
    try models.peft("third", SmallModels.lora())
    try models.text("{\"of\": \"third\"}", to: "third/tokenizer.json")
    try models.expectDone("merge base second third -o out4", says: "bring different tokenizers")
    try models.expectSame("out4/tokenizer.json", "base/tokenizer.json")
    try models.expectRefused(
      "merge base second -o x --tokenizer base.safetensors", says: "base.safetensors")
    try models.expectRefused(
      "merge base.safetensors second -o x --tokenizer second", says: "--tokenizer")
  }

  /// PEFT saves resized embeddings beside a LoRA on them, and not the rows of the output layer.
  @Test func aHeadThatWasLeftShortIsTold() throws {
    let resized =
      SmallModels.lora() + [
        ("base_model.model.model.embed_tokens.base_layer.weight", [20, 8]),
        ("base_model.model.model.embed_tokens.lora_embedding_A", [2, 20]),
        ("base_model.model.model.embed_tokens.lora_embedding_B", [8, 2]),
      ]
    let fields = #", "target_modules": ["q_proj", "embed_tokens"]"#
    try models.tensors(resized, to: "lora/adapter_model.safetensors")
    try models.text(
      #"{"peft_type": "LORA", "r": 2, "lora_alpha": 4\#(fields)}"#, to: "lora/adapter_config.json")
    try models.expectDone("merge base lora -o out", says: "lm_head.weight keeps 16 rows")
    // Of a tie both ends had them.
    try models.base(
      "tied", config: #"{"model_type": "llama", "tie_word_embeddings": true, "vocab_size": 16}"#,
      and: [])
    try models.expectRefused("merge tied lora -o out2", says: "--untie")
    try models.expectDone("merge tied lora -o out2 --untie")
    let listed = try models.run("inspect out2 --json").output
    #expect(listed.contains("lm_head.weight") && !listed.contains("16,"))
    // What only the embeddings were trained to have is nowhere for the other end.
    try models.peft(
      "saved", #", "modules_to_save": ["embed_tokens"]"#,
      SmallModels.lora() + [("base_model.model.model.embed_tokens.weight", [20, 8])])
    try models.expectRefused("merge tied saved -o out3 --untie", says: "is not in the adapter")
  }

  // MARK: - What is this?

  @Test func whatAPathHoldsIsSaid() throws {
    try models.peft("lora", SmallModels.lora())
    try models.tensors([("lora_unet_x.lora_down.weight", [2, 8])], to: "kohya.safetensors")
    try models.tensors([("model.layers.0.q.lora_a", [8, 2])], to: "mlx/adapters.safetensors")
    try models.text("{\"fine_tune_type\": \"lora\"}", to: "mlx/adapter_config.json")
    try models.tensors([("transformer.x.lora_A.weight", [2, 8])], to: "flux.safetensors")
    try models.tensors(SmallModels.lora(), to: "style.safetensors")
    try models.text("GGUF....", to: "model.gguf")
    for (path, says) in [
      ("kohya.safetensors", "hint: give the base it was trained on: --base"),
      ("mlx", "lora_parameters: is missing: the scale is unknown"),
      ("flux.safetensors", "half a pair"),
      (
        "style.safetensors",
        "hint: these are a LoRA's tensors, whose scale is in adapter_config.json"
      ),
    ] {
      try models.expectRefused("convert \(path) -o out.adp", says: says)
    }
    try models.expectRefused("convert model.gguf -o out.adp", says: "GGUF")
    for (text, says) in [
      ("version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "run git lfs pull"),
      ("<!DOCTYPE html><html></html>", "this is a web page"),
    ] {
      try models.text(text, to: "lora/adapter_model.safetensors")
      try models.expectRefused("convert lora -o out.adp", says: says)
    }
  }

  @Test func aTrainersFolderListsItsAdapters() throws {
    try models.peft("run/checkpoint-500", SmallModels.lora())
    try models.peft("run/checkpoint-1000", SmallModels.lora())
    try models.expectRefused(
      "convert run -o out.adp", says: "adapters are in checkpoint-1000, checkpoint-500")
  }

  @Test func theOrderOfArgumentsIsTold() throws {
    try models.peft("lora", SmallModels.lora())
    try models.expectRefused(
      "merge lora base -o out", says: "lora is a PEFT folder, not a base", "the base comes first")
    try models.expectRefused("merge base base -o out", says: "base is a checkpoint, not an adapter")
    try models.expectRefused("merge org/model lora -o out", says: "hf download org/model")
    try models.expectRefused(
      "verify lora", says: "which has no digests to verify", "adapter convert")
  }

  /// A folder may hold a base and an adapter: the merged one holds no mark of an adapter.
  @Test func marksOfAnAdapterStayBehind() throws {
    try models.peft("lora", SmallModels.lora())
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
      try FileManager.default.copyItem(
        atPath: folder.path.pushing(FilePath("lora/\(name)")).string,
        toPath: folder.path.pushing(FilePath("base/\(name)")).string)
    }
    try models.expectDone("merge base lora -o out")
    let names = try FileManager.default.contentsOfDirectory(
      atPath: folder.appending("out").string)
    #expect(Set(names) == ["README.md", "config.json", "model.safetensors"])
  }

  /// diffusers calls its index by another name.
  @Test func theIndexOfDiffusersIsRead() throws {
    try models.peft("lora", SmallModels.lora())
    try models.expectDone("merge base lora -o want")
    try models.tensors([("lm_head.weight", [16, 8])], to: "parts/b.safetensors")
    try FileManager.default.copyItem(
      atPath: folder.path.pushing(FilePath("base/model.safetensors")).string,
      toPath: folder.path.pushing(FilePath("parts/a.safetensors")).string)
    try models.base("parts-a", and: [])
    let map =
      ["model.embed_tokens", SmallModels.q, "model.layers.1.self_attn.q_proj"]
      .map { "\"\($0).weight\": \"a.safetensors\"" } + ["\"lm_head.weight\": \"b.safetensors\""]
    try FileManager.default.removeItem(
      atPath: folder.path.pushing(FilePath("parts/a.safetensors")).string)
    try FileManager.default.moveItem(
      atPath: folder.path.pushing(FilePath("parts-a/model.safetensors")).string,
      toPath: folder.path.pushing(FilePath("parts/a.safetensors")).string)
    try models.text(
      "{\"metadata\": {}, \"weight_map\": {\(map.joined(separator: ", "))}}",
      to: "parts/diffusion_pytorch_model.safetensors.index.json")
    try models.expectDone("merge parts lora -o out")
  }

  /// A name says what its file is.
  @Test func anOutputIsCalledWhatItIs() throws {
    try models.peft("lora", SmallModels.lora())
    try models.expectRefused("merge base lora -o merged.safetensors", says: "would be a folder")
    try models.expectRefused(
      "merge base/model.safetensors lora -o merged.gguf", says: "would be a .safetensors file")
    try models.expectRefused("convert lora -o out.safetensors", says: "would be a .adp file")
  }
}
