import Foundation
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// What users of adapters have reported elsewhere, as small inputs: each is one of a kind.
@Suite struct ReportedCaseTests {
  private let folder: TemporaryFolder
  private static let q = "model.layers.0.self_attn.q_proj"

  init() throws {
    folder = try TemporaryFolder()
    try base("base")
  }

  // MARK: - Inputs

  /// Numbers that belong to a place in a tensor, small and of all signs.
  private func values(_ count: Int, _ seed: Int) -> [Float] {
    (0..<count).map { Float(($0 * 37 + seed * 11) % 17 - 8) / 8 }
  }

  private func tensors(_ shapes: [(String, [Int])], to name: String) throws {
    var made = HandMadeCheckpoint()
    for (seed, (tensor, shape)) in shapes.enumerated() {
      made.add(Name(tensor), shape, values(shape.reduce(1, *), seed))
    }
    let path = folder.path.pushing(FilePath(name))
    try FileManager.default.createDirectory(
      atPath: path.removingLastComponent().string, withIntermediateDirectories: true)
    try Data(made.bytes).write(to: URL(fileURLWithPath: path.string))
  }

  private func text(_ text: String, to name: String) throws {
    let path = folder.path.pushing(FilePath(name)).string
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
  }

  /// A Llama of 16 tokens and a width of 8.
  private func base(
    _ name: String, prefix: String = "model.", config: String = "{\"model_type\": \"llama\"}",
    and more: [(String, [Int])] = [("lm_head.weight", [16, 8])]
  ) throws {
    try tensors(
      [
        ("\(prefix)embed_tokens.weight", [16, 8]),
        ("\(prefix)layers.0.self_attn.q_proj.weight", [8, 8]),
        ("\(prefix)layers.1.self_attn.q_proj.weight", [8, 8]),
      ] + more, to: "\(name)/model.safetensors")
    try text(config, to: "\(name)/config.json")
  }

  /// An adapter of PEFT: the fields of a LoRA of rank 2, and others.
  private func peft(
    _ name: String, _ fields: String = "", _ shapes: [(String, [Int])]
  ) throws {
    try tensors(shapes, to: "\(name)/adapter_model.safetensors")
    try text(
      """
      {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"]\(fields)}
      """, to: "\(name)/adapter_config.json")
  }

  /// The factors of a module, their names as a pattern has them: `@` is the module and the part.
  private func lora(
    _ module: String = q, as pattern: String = "base_model.model.@.weight"
  ) -> [(String, [Int])] {
    [("lora_A", [2, 8]), ("lora_B", [8, 2])].map { part, shape in
      (pattern.replacing("@", with: "\(module).\(part)"), shape)
    }
  }

  private func run(_ line: String) throws -> CommandResult {
    try Command.shell("adapter \(line)", in: folder.path)
  }

  private func expectDone(
    _ line: String, says: String = "", location: SourceLocation = #_sourceLocation
  ) throws {
    let result = try run(line)
    #expect(
      result.status == 0 && (says.isEmpty || result.errors.contains(says)), "\(result.errors)",
      sourceLocation: location)
  }

  private func expectRefused(
    _ line: String, says: String..., location: SourceLocation = #_sourceLocation
  ) throws {
    let before = folder.names
    let result = try run(line)
    #expect(result.status == 2, sourceLocation: location)
    for says in says {
      #expect(result.errors.contains(says), "\(result.errors)", sourceLocation: location)
    }
    #expect(folder.names == before, sourceLocation: location)
  }

  private func expectSame(
    _ left: String, _ right: String, location: SourceLocation = #_sourceLocation
  ) throws {
    let (first, second) = (
      folder.path.pushing(FilePath(left)), folder.path.pushing(FilePath(right))
    )
    #expect(try first.contents == second.contents, sourceLocation: location)
  }

  // MARK: - Names

  /// Trainers put wrappers in front, and the adapter's name into the keys: both say nothing of the effect.
  @Test(arguments: [
    "module.base_model.model.@.weight", "model.base_model.model.@.weight",
    "base_model.model.@.default_0.weight", "base_model.model.@.pirate.weight", "@.weight",
  ])
  func wrappersAndTheAdaptersNameAreDropped(_ pattern: String) throws {
    let fields = #", "alpha_pattern": {"^model.layers.0.self_attn.q_proj": 16}"#
    try peft("plain", fields, lora())
    try peft("other", fields, lora(as: pattern))
    try expectDone("merge base plain -o want")
    try expectDone("merge base other -o out")
    try expectSame("out/model.safetensors", "want/model.safetensors")
  }

  @Test func severalAdaptersInOneFileAreNamed() throws {
    try peft(
      "two",
      lora(as: "base_model.model.@.default.weight")
        + lora(as: "base_model.model.@.reference.weight"))
    try expectRefused("merge base two -o out", says: "holds the adapters default, reference")
  }

  private func peft(_ name: String, _ shapes: [(String, [Int])]) throws {
    try peft(name, "", shapes)
  }

  /// The text model of one that also sees, and the reverse.
  @Test(arguments: ["model.language_model.", "language_model.model.", "model.text_model.", ""])
  func aTextModelIsFoundInALargerOne(_ prefix: String) throws {
    try base("large", prefix: prefix, config: "{}", and: [("visual.blocks.0.q.weight", [8, 8])])
    try peft("lora", lora())
    try expectDone("merge large lora -o out", says: "prefix(")
    try peft("back", lora("\(prefix)layers.0.self_attn.q_proj"))
    try expectDone("merge base back -o out2")
  }

  /// Both halves fit: the name of one target decides for all.
  @Test func oneNameTellsWhichHalfIsMeant() throws {
    let halves = ["text_model", "vision_model"].flatMap { half in
      (0..<2).map { ("\(half).encoder.layers.\($0).q_proj.weight", [8, 8]) }
    }
    try tensors(halves, to: "clip/model.safetensors")
    try peft("lora", (0..<2).flatMap { lora("encoder.layers.\($0).q_proj") })
    try expectRefused(
      "merge clip lora -o out", says: "several prefixes fit the base", "hint: name one target")
    let result = try run(
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
    let more = part.isEmpty ? [] : [("base_model.model.\(Self.q).\(part)", [8])]
    try peft("lora", fields, lora() + more)
    try expectRefused("convert lora -o out.adp", says: says)
  }

  /// Until 0.10 PEFT did not write the head of a task into the configuration.
  @Test(arguments: [
    ("SEQ_CLS", "score"), ("TOKEN_CLS", "classifier"), ("QUESTION_ANS", "qa_outputs"),
  ])
  func theHeadOfATaskIsAModuleToSave(_ task: String, _ head: String) throws {
    try peft(
      "lora", ", \"task_type\": \"\(task)\", \"modules_to_save\": null",
      lora() + [("base_model.model.\(head).weight", [3, 8])])
    try expectDone("merge base lora -o out", says: "new: \(head).weight")
  }

  @Test func eightBitFloatsAreNamed() throws {
    var made = HandMadeCheckpoint()
    for (name, shape) in lora() {
      made.add(Name(name), .f8E4M3, shape, Array(repeating: 0x38, count: 16))
    }
    try peft("lora", lora())
    try folder.appending("lora").appending("adapter_model.safetensors").write(made.bytes)
    try expectRefused("convert lora -o out.adp", says: "eight-bit floats (F8_E4M3)")
  }

  // MARK: - Vocabularies

  /// A vocabulary that grew, with a tokenizer that knows the new tokens.
  @Test func theAdaptersTokenizerComesWithItsTokens() throws {
    try peft(
      "lora", #", "modules_to_save": ["embed_tokens", "lm_head"]"#,
      lora()
        + ["model.embed_tokens", "lm_head"].map { ("base_model.model.\($0).weight", [18, 8]) })
    try text("{\"of\": \"base\"}", to: "base/tokenizer.json")
    try expectDone("merge base lora -o kept", says: "the tokenizer is the base's")
    try text("{\"of\": \"adapter\"}", to: "lora/tokenizer.json")
    try text("a template", to: "lora/chat_template.jinja")
    try expectDone(
      "merge base lora -o out",
      says: "the tokenizer is the adapter's: chat_template.jinja, tokenizer.json")
    try expectSame("out/tokenizer.json", "lora/tokenizer.json")
    try expectSame("out/chat_template.jinja", "lora/chat_template.jinja")
    try expectDone("convert lora -o lora.adp")
    try expectDone("merge base lora.adp -o out2")
    try expectSame("out2/tokenizer.json", "lora/tokenizer.json")
    try peft("second", lora("model.layers.1.self_attn.q_proj"))
    try text("{\"of\": \"second\"}", to: "second/tokenizer.json")
    try expectDone("merge base lora second -o out3", says: "bring different tokenizers")
    try expectSame("out3/tokenizer.json", "base/tokenizer.json")
  }

  /// PEFT saves resized embeddings beside a LoRA on them, and not the rows of the output layer.
  @Test func aHeadThatWasLeftShortIsTold() throws {
    let resized =
      lora() + [
        ("base_model.model.model.embed_tokens.base_layer.weight", [20, 8]),
        ("base_model.model.model.embed_tokens.lora_embedding_A", [2, 20]),
        ("base_model.model.model.embed_tokens.lora_embedding_B", [8, 2]),
      ]
    let fields = #", "target_modules": ["q_proj", "embed_tokens"]"#
    try tensors(resized, to: "lora/adapter_model.safetensors")
    try text(
      #"{"peft_type": "LORA", "r": 2, "lora_alpha": 4\#(fields)}"#, to: "lora/adapter_config.json")
    try expectDone("merge base lora -o out", says: "lm_head.weight keeps 16 rows")
    // Of a tie both ends had them.
    try base(
      "tied", config: #"{"model_type": "llama", "tie_word_embeddings": true, "vocab_size": 16}"#,
      and: [])
    try expectRefused("merge tied lora -o out2", says: "--untie")
    try expectDone("merge tied lora -o out2 --untie")
    let listed = try run("inspect out2 --json").output
    #expect(listed.contains("lm_head.weight") && !listed.contains("16,"))
    // What only the embeddings were trained to have is nowhere for the other end.
    try peft(
      "saved", #", "modules_to_save": ["embed_tokens"]"#,
      lora() + [("base_model.model.model.embed_tokens.weight", [20, 8])])
    try expectRefused("merge tied saved -o out3 --untie", says: "is not in the adapter")
  }

  // MARK: - What is this?

  @Test func whatAPathHoldsIsSaid() throws {
    try peft("lora", lora())
    try tensors([("lora_unet_x.lora_down.weight", [2, 8])], to: "kohya.safetensors")
    try tensors([("model.layers.0.q.lora_a", [8, 2])], to: "mlx/adapters.safetensors")
    try text("{\"fine_tune_type\": \"lora\"}", to: "mlx/adapter_config.json")
    try tensors([("transformer.x.lora_A.weight", [2, 8])], to: "flux.safetensors")
    try tensors(lora(), to: "style.safetensors")
    try text("GGUF....", to: "model.gguf")
    for (path, says) in [
      ("kohya.safetensors", "kohya's format"), ("mlx", "MLX"), ("flux.safetensors", "diffusers"),
      ("style.safetensors", "adapter_config.json"), ("model.gguf", "GGUF"),
    ] {
      try expectRefused("convert \(path) -o out.adp", says: "hint: ", says)
    }
    for (text, says) in [
      ("version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "run git lfs pull"),
      ("<!DOCTYPE html><html></html>", "this is a web page"),
    ] {
      try self.text(text, to: "lora/adapter_model.safetensors")
      try expectRefused("convert lora -o out.adp", says: says)
    }
  }

  @Test func aTrainersFolderListsItsAdapters() throws {
    try peft("run/checkpoint-500", lora())
    try peft("run/checkpoint-1000", lora())
    try expectRefused(
      "convert run -o out.adp", says: "adapters are in checkpoint-1000, checkpoint-500")
  }

  @Test func theOrderOfArgumentsIsTold() throws {
    try peft("lora", lora())
    try expectRefused(
      "merge lora base -o out", says: "lora is a PEFT folder, not a base", "the base comes first")
    try expectRefused("merge base base -o out", says: "base is a checkpoint, not an adapter")
    try expectRefused("merge org/model lora -o out", says: "hf download org/model")
    try expectRefused("verify lora", says: "which has no digests to verify", "adapter convert")
  }

  /// A folder may hold a base and an adapter: the merged one holds no mark of an adapter.
  @Test func marksOfAnAdapterStayBehind() throws {
    try peft("lora", lora())
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
      try FileManager.default.copyItem(
        atPath: folder.path.pushing(FilePath("lora/\(name)")).string,
        toPath: folder.path.pushing(FilePath("base/\(name)")).string)
    }
    try expectDone("merge base lora -o out")
    let names = try FileManager.default.contentsOfDirectory(
      atPath: folder.appending("out").string)
    #expect(Set(names) == ["config.json", "model.safetensors"])
  }

  /// diffusers calls its index by another name.
  @Test func theIndexOfDiffusersIsRead() throws {
    try peft("lora", lora())
    try expectDone("merge base lora -o want")
    try tensors([("lm_head.weight", [16, 8])], to: "parts/b.safetensors")
    try FileManager.default.copyItem(
      atPath: folder.path.pushing(FilePath("base/model.safetensors")).string,
      toPath: folder.path.pushing(FilePath("parts/a.safetensors")).string)
    try base("parts-a", and: [])
    let map =
      ["model.embed_tokens", Self.q, "model.layers.1.self_attn.q_proj"]
      .map { "\"\($0).weight\": \"a.safetensors\"" } + ["\"lm_head.weight\": \"b.safetensors\""]
    try FileManager.default.removeItem(
      atPath: folder.path.pushing(FilePath("parts/a.safetensors")).string)
    try FileManager.default.moveItem(
      atPath: folder.path.pushing(FilePath("parts-a/model.safetensors")).string,
      toPath: folder.path.pushing(FilePath("parts/a.safetensors")).string)
    try text(
      "{\"metadata\": {}, \"weight_map\": {\(map.joined(separator: ", "))}}",
      to: "parts/diffusion_pytorch_model.safetensors.index.json")
    try expectDone("merge parts lora -o out")
  }

  /// A name says what its file is.
  @Test func anOutputIsCalledWhatItIs() throws {
    try peft("lora", lora())
    try expectRefused("merge base lora -o merged.safetensors", says: "would be a folder")
    try expectRefused(
      "merge base/model.safetensors lora -o merged.gguf", says: "would be a .safetensors file")
    try expectRefused("convert lora -o out.safetensors", says: "would be a .adp file")
  }
}

extension FilePath {
  fileprivate func write(_ bytes: [UInt8]) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: string))
  }
}
