import AdapterModels
import AdapterRuntime
import Checkpoints
import Operations
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Models that cannot be run, or not as their files say: one clear error each, before anything large happens.
@Suite struct UnrunnableModelTests {
  /// A change of one file of a tiny model, and what is said of it.
  struct Damage: Sendable, CustomTestStringConvertible {
    let base: String
    let old: String
    let new: String
    let says: String

    init(_ old: String, _ new: String, _ says: String, base: String = "run-llama") {
      (self.old, self.new, self.says, self.base) = (old, new, says, base)
    }

    var testDescription: String { "\(new): \(says)" }
  }

  private static let configs = [
    Damage("\"llama\"", "\"mamba\"", "models of type mamba cannot be run here"),
    Damage("\"model_type\"", "\"model\"", "lacks \"model_type\""),
    Damage("\"llama\"", "7", "\"model_type\" is not a text"),
    Damage("\"hidden_size\": 24", "\"hidden_size\": 0", "\"hidden_size\" is not a count"),
    Damage("\"hidden_size\": 24", "\"hidden_size\": -24", "\"hidden_size\" is not a count"),
    Damage("\"hidden_size\": 24", "\"hidden_size\": 1e999", "config.json"),
    Damage("\"hidden_size\": 24", "\"hidden_size\": 4294967296", "\"hidden_size\" is not a count"),
    Damage("\"hidden_size\": 24", "\"hidden_size\": 25", "has shape"),
    Damage("\"hidden_size\": 24,", "", "lacks \"hidden_size\""),
    Damage("\"head_dim\": 6", "\"head_dim\": 2147483646", "q_proj.weight has shape"),
    Damage("\"head_dim\": 8,", "", "has shape", base: "run-llama-wide"),
    Damage(
      "\"num_attention_heads\": 4", "\"num_attention_heads\": 2147483647", "cannot be run here"),
    Damage(
      "\"head_dim\": 6", "\"head_dim\": 5", "\"head_dim\" has a value that cannot be run here"),
    Damage(
      "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3",
      "\"num_key_value_heads\" has a value that cannot be run here"),
    Damage(
      "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1",
      "fewer layers than there are: model.layers.1.input_layernorm.weight"),
    Damage(
      "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 2147483647",
      "the base has no tensor model.layers.2.input_layernorm.weight"),
    Damage("\"vocab_size\": 64", "\"vocab_size\": 65", "embed_tokens.weight has shape"),
    Damage("\"silu\"", "\"relu\"", "\"hidden_act\" has a value that cannot be run here"),
    Damage("\"attention_bias\": false", "\"attention_bias\": true", "has no tensor"),
    Damage("\"default\"", "\"yarn\"", "positions scaled by yarn cannot be run here"),
    Damage("\"default\"", "\"linear\"", "the scaling of positions lacks \"factor\""),
    Damage(
      "\"rope_type\"", "\"beta_fast\": 1, \"rope_type\"",
      "positions with \"beta_fast\" cannot be run here"),
    Damage(
      "\"vocab_size\"", "\"partial_rotary_factor\": 0.5, \"vocab_size\"",
      "\"partial_rotary_factor\" has a value that cannot be run here"),
    Damage(
      "\"vocab_size\"", "\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}, \"vocab_size\"",
      "contradict each other"),
    Damage("{", "[" + String(repeating: "[", count: 100_000), "config.json"),
    Damage("\"eos_token_id\": null", "\"eos_token_id\": [2.5]", "\"eos_token_id\" is not a token"),
    Damage(
      "\"n_head\": ", "\"n_head\": 1000", "\"n_head\" has a value that cannot be run here",
      base: "run-gpt2"),
    Damage(
      "\"gelu_new\"", "\"tanh\"", "activation tanh cannot be run here", base: "run-gpt2"),
    Damage(
      "\"add_cross_attention\": false", "\"add_cross_attention\": true",
      "\"add_cross_attention\" has a value that cannot be run here", base: "run-gpt2"),
  ]

  private static let weights = [
    Damage("lm_head.weight", "lm_head.weighs", "the base has no tensor lm_head.weight"),
    Damage(
      "layers.1.self_attn.o_proj.weight", "layers.1.self_attn.o_proj.weighs",
      "the base has no tensor model.layers.1.self_attn.o_proj.weight"),
    Damage("model.norm.weight", "model.norm.weighs", "the base has no tensor model.norm.weight"),
    Damage(
      "model.embed_tokens.weight", "model.embed_tokens.weighs",
      "the base has no tensor embed_tokens.weight"),
    Damage("q_proj.bias", "q_proj.bia", "has no tensor", base: "run-qwen2"),
    Damage("c_attn.bias", "c_attn.bia", "attn.c_attn.bias", base: "run-gpt2"),
    Damage("q_norm.weight", "q_norm.weigh", "has no tensor", base: "run-qwen3"),
    Damage(
      "pre_feedforward_layernorm.weight", "pre_feedforward_layernorm.weigh",
      "the base has no tensor model.layers.0.pre_feedforward_layernorm.weight", base: "run-gemma2"),
    Damage("qkv_proj.weight", "qkv_proj.weigh", "qkv_proj.weight", base: "run-phi3"),
    Damage("\"F32\"", "\"I32\"", "which cannot be run"),
  ]

  private static func folder(of base: String) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for file in ["config.json", "model.safetensors"] {
      try folder.write(Repository.base(base).appending(file).contents, to: file)
    }
    return folder
  }

  private static func error(of folder: TemporaryFolder) throws -> AdapterError? {
    let checkpoint = try Checkpoint(folder.path)
    do {
      _ = try LanguageModel(checkpoint)
      return nil
    } catch let error as AdapterError { return error }
  }

  private static func check(_ folder: TemporaryFolder, says: String) throws {
    let error = try #require(try error(of: folder))
    #expect(error.description.contains(says), "\(error)")
    #expect(!error.description.contains("\n"))
  }

  @Test(arguments: configs + kin) func configurationsAreHeldAgainstTheWeights(_ damage: Damage)
    throws
  {
    let folder = try Self.folder(of: damage.base)
    try folder.edit("config.json", damage.old, damage.new)
    try Self.check(folder, says: damage.says)
  }

  @Test(arguments: weights) func weightsHaveToBeThere(_ damage: Damage) throws {
    let folder = try Self.folder(of: damage.base)
    try folder.rename(in: "model.safetensors", "\(damage.old)", to: damage.new)
    try Self.check(folder, says: damage.says)
  }

  @Test func aConfigurationIsNeeded() throws {
    let folder = try TemporaryFolder()
    let path = Repository.base("run-llama").appending("model.safetensors")
    try folder.write(path.contents, to: "model.safetensors")
    try Self.check(folder, says: "config.json: cannot be read")
    try folder.write(
      Array(repeating: UInt8(ascii: " "), count: (1 << 20) + 1), to: "config.json")
    try Self.check(folder, says: "config.json: is larger than 1 MiB")
  }

  /// In F16, which widens an infinity to a number.
  @Test func weightsThatAreNotFiniteAreRefused() throws {
    let folder = try TemporaryFolder()
    var made = HandMadeCheckpoint()
    let base = try Checkpoint(Repository.base("run-llama"))
    for tensor in base.tensors {
      let bits: UInt16 = tensor.info.name == "model.layers.0.mlp.up_proj.weight" ? 0x7C00 : 0x3C00
      let value = [UInt8(truncatingIfNeeded: bits), UInt8(bits >> 8)]
      made.add(
        tensor.info.name, .f16, tensor.info.shape.dimensions,
        (0..<tensor.info.shape.count).flatMap { _ in value })
    }
    _ = try made.write(
      to: folder,
      config: String(decoding: base.configPath.contents, as: UTF8.self))
    try Self.check(
      folder, says: "model.layers.0.mlp.up_proj.weight holds values that are not finite")
  }

  /// transformers ties a head to the embedding only where the file does not say something else.
  @Test func aHeadThatDiffersFromItsTieIsItsOwn() throws {
    let folder = try Self.folder(of: "run-llama")
    let own = try LanguageModel(Checkpoint(folder.path))
    try folder.edit(
      "config.json", "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true")
    let tied = try LanguageModel(Checkpoint(folder.path))
    #expect(own.weightByteCount == tied.weightByteCount)
    let logits = try [own, tied].map { model in
      try model.logits(after: [.init(DecodingSequence(model), [1, 2, 3])])
    }
    #expect(logits[0] == logits[1])
  }

  /// `generate` reads generation_config.json first.
  @Test func endTokensAreThoseOfGenerate() throws {
    let folder = try Self.folder(of: "run-llama")
    func ends() throws -> [Int32] { try LanguageModel(Checkpoint(folder.path)).endTokens }
    #expect(try ends() == [])
    try folder.edit("config.json", "\"eos_token_id\": null", "\"eos_token_id\": 5")
    #expect(try ends() == [5])
    try folder.write(Array(#"{"eos_token_id": [7, 9]}"#.utf8), to: "generation_config.json")
    #expect(try ends() == [7, 9])
    try folder.write(Array(#"{"bos_token_id": 1}"#.utf8), to: "generation_config.json")
    #expect(try ends() == [5])
    try folder.edit("config.json", "\"eos_token_id\": 5,", "")
    #expect(try ends() == [2])
  }

  /// A weight is F32 or narrower, whatever acts on it; of any other type the model does not run.
  @Test(arguments: ElementType.allCases)
  func weightsAreFloat(_ type: ElementType) throws {
    let name: Name = "model.layers.0.self_attn.q_proj.weight"
    let path = Repository.base("run-llama")
    var edited = try EditedBase(Checkpoint(path))
    let dimensions = try #require(edited.tensors[name]).dimensions
    let bits = dimensions.reduce(1, *) * type.bitWidth
    edited.tensors[name] = .init(
      type, dimensions, Array(repeating: 0, count: bits / 8))
    let folder = try TemporaryFolder()
    let config = String(
      decoding: try path.appending("config.json").contents, as: UTF8.self)
    let base = try edited.write(to: folder, config: config)
    var made = HandMadeAdapter()
    try made.append(
      AddLowRank(
        target: Target(name, layout: .outIn),
        a: made.operand("a", [1, dimensions[1]], Array(repeating: 0.5, count: dimensions[1])),
        b: made.operand("b", [dimensions[0], 1], Array(repeating: 0.5, count: dimensions[0])),
        scale: 1))
    let adapter = made.adapter
    for stack in [[], [adapter], [adapter, adapter]] {
      let weighted = stack.map { WeightedAdapter($0) }
      guard type.isFloat, type != .f64 else {
        #expect(throws: (any Error).self) { try RunPlan(weighted, on: base).load() }
        continue
      }
      _ = try RunPlan(weighted, on: base).load()
    }
  }
}
