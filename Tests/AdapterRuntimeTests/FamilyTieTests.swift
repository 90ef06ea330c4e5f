import Storage
import AdapterRuntime
import Checkpoints
import Operations
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Output layers that share the embedding's tensor, in families that call them otherwise than Llama does.
@Suite struct FamilyTieTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  /// A model that stores an embedding and no output layer, and an adapter that replaces one of its parameters.
  private func view(
    _ embedding: Name, config: String, replacing target: Name, ties: BindingChoices.Ties = .refuse
  ) throws -> AdaptedCheckpoint {
    var base = HandMadeCheckpoint()
    base.add(embedding, [4, 2], (0..<8).map { Float($0) })
    base.add("other.norm.weight", [2], [1, 1])
    let checkpoint = try base.write(to: folder, config: config)
    var made = HandMadeAdapter()
    let value = made.operand("value", [4, 2], (0..<8).map { 10 + Float($0) })
    try made.append(Replace(target: Target(target), value: value, absent: .create))
    return try AdaptedCheckpoint(
      checkpoint, applying: made.adapter, policy: .init(choices: BindingChoices(ties: ties)))
  }

  private func refusal(_ embedding: Name, config: String, ties: BindingChoices.Ties = .refuse)
    throws -> AdapterError?
  {
    #expect(throws: AdapterError.self) {
      try view(embedding, config: config, replacing: embedding, ties: ties)
    }
  }

  private static let families: [(config: String, embedding: Name, head: Name)] = [
    (
      #"{"model_type":"whisper","architectures":["WhisperForConditionalGeneration"]}"#,
      "model.decoder.embed_tokens.weight", "proj_out.weight"
    ),
    (
      #"{"model_type":"gpt_neox","tie_word_embeddings":true}"#,
      "gpt_neox.embed_in.weight", "embed_out.weight"
    ),
    (
      #"{"model_type":"gemma3","text_config":{"model_type":"gemma3_text"}}"#,
      "language_model.model.embed_tokens.weight", "language_model.lm_head.weight"
    ),
    (
      #"{"model_type":"roberta","architectures":["RobertaForMaskedLM"]}"#,
      "roberta.embeddings.word_embeddings.weight", "lm_head.decoder.weight"
    ),
  ]

  /// Untied, the embedding is the trained one, and the output layer what both were, under its own name.
  @Test(arguments: families)
  func anUntiedEmbeddingLeavesTheOutputLayerBehind(
    _ config: String, _ embedding: Name, _ head: Name
  ) throws {
    let error = try refusal(embedding, config: config)
    #expect(error?.description.contains(head.text) == true)
    #expect(error?.kind == .tied)
    let view = try view(embedding, config: config, replacing: embedding, ties: .untie)
    #expect(view.changedNames == [embedding, head].sorted())
    for (name, first) in [(embedding, 10), (head, 0)] {
      let bytes = try #require(try view.contents(of: name))
      #expect(doubles(bytes, .f32) == (0..<8).map { Double(first + $0) })
    }
  }

  /// The other way round, by the name that the output layer has in memory.
  @Test(
    arguments: [
      (families[0].config, families[0].embedding, "proj_out.weight", "proj_out.weight"),
      (families[1].config, families[1].embedding, "lm_head.weight", "embed_out.weight"),
      (
        families[2].config, families[2].embedding, "lm_head.weight", "language_model.lm_head.weight"
      ),
    ] as [(String, Name, Name, Name)])
  func anUntiedOutputLayerLeavesTheEmbeddingBehind(
    _ config: String, _ embedding: Name, _ target: Name, _ head: Name
  ) throws {
    #expect(throws: AdapterError.self) {
      try self.view(embedding, config: config, replacing: target)
    }
    let view = try view(embedding, config: config, replacing: target, ties: .untie)
    #expect(view.changedNames == [head])
    let bytes = try #require(try view.contents(of: head))
    #expect(doubles(bytes, .f32) == (0..<8).map { Double(10 + $0) })
  }

  /// Where more than two share a tensor, and one is changed, each of the others is what all were.
  @Test func moreThanTwoAreParted() throws {
    let config = #"{"model_type":"bart","tie_word_embeddings":true}"#
    let embedding: Name = "model.shared.weight"
    #expect(try refusal(embedding, config: config)?.kind == .tied)
    let view = try view(embedding, config: config, replacing: embedding, ties: .untie)
    let others: [Name] = [
      "lm_head.weight", "model.decoder.embed_tokens.weight", "model.encoder.embed_tokens.weight",
    ]
    #expect(view.changedNames == others + [embedding])
    for name in others {
      let bytes = try #require(try view.contents(of: name))
      #expect(doubles(bytes, .f32) == (0..<8).map(Double.init))
    }
  }

  /// The end that is stored gets the rows of the other where the vocabulary grows: its configuration has one size.
  @Test func bothEndsGetTheRowsOfAGrownVocabulary() throws {
    var base = HandMadeCheckpoint()
    base.add("model.embed_tokens.weight", [4, 2], (0..<8).map { Float($0) })
    let checkpoint = try base.write(
      to: folder, config: #"{"model_type":"llama","tie_word_embeddings":true,"vocab_size":4}"#)
    var made = HandMadeAdapter()
    let value = made.operand("value", [6, 2], (0..<12).map { Float($0) })
    let (a, b) = (
      made.operand("a", [1, 2], [1, 1]), made.operand("b", [6, 1], [Float](repeating: 1, count: 6))
    )
    let target = Target("lm_head.weight", layout: .outIn)
    try made.append(Replace(target: target, value: value, absent: .refuse, canResize: true))
    try made.append(AddLowRank(target: target, a: a, b: b, scale: 1))
    let view = try AdaptedCheckpoint(
      checkpoint, applying: made.adapter, policy: .init(choices: BindingChoices(ties: .untie)))
    for (name, plus) in [("model.embed_tokens.weight", 0.0), ("lm_head.weight", 1)] {
      let bytes = try #require(try view.contents(of: Name(name)))
      #expect(doubles(bytes, .f32) == (0..<12).map { Double($0) + plus })
    }
    try Merge(view).write(to: folder.appending("out"), replacing: false)
    let config = try folder.appending("out").appending("config.json").contents
    #expect(String(decoding: config, as: UTF8.self).contains("\"vocab_size\":6"))
  }

  /// One that scales what its decoder gives by its tie is another model without it, which is not advised.
  @Test(arguments: ["t5", "mt5", "umt5", "longt5", "switch_transformers"])
  func whatNeedsItsTiesKeepsThem(_ type: String) throws {
    let embedding = "shared.weight"
    let config = #"{"model_type":"\#(type)","tie_word_embeddings":true}"#
    for ties in [BindingChoices.Ties.refuse, .untie] {
      let error = try #require(try refusal(Name(embedding), config: config, ties: ties))
      #expect(error.kind == .inseparable)
    }
  }

  /// A configuration that says so is believed of a model that nothing else is known of.
  @Test func anUnknownModelThatTiesIsRefused() throws {
    for config in [
      #"{"model_type":"my_own","tie_word_embeddings":true}"#,
      #"{"text_config":{"tie_word_embeddings":true}}"#,
    ] {
      let error = try refusal("core.wte.weight", config: config)
      #expect(error?.description.contains("lm_head.weight") == true)
    }
    let view = try view(
      "core.wte.weight", config: #"{"model_type":"my_own"}"#, replacing: "core.wte.weight")
    #expect(view.changedNames == ["core.wte.weight"])
  }
}
