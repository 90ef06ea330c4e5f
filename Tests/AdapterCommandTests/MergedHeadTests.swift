import Foundation
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// A new head changes what transformers has to build: the class and the labels of `config.json`. Tests/Library/check_heads.py
/// loads such results with transformers and compares logits.
@Suite struct MergedHeadTests {
  private let models: SmallModels

  init() throws { models = try SmallModels() }

  private struct Result {
    let config: JSONFields
    let errors: String

    var labels: Int? { config["id2label"].flatMap { try? $0.members.count } }
    var architectures: String { "\(config["architectures"] ?? .null)" }
  }

  private func merged(
    _ type: String, _ task: String?, _ head: [(String, [Int])], config: String? = nil,
    options: String = ""
  ) throws -> Result {
    try models.text(config ?? #"{"model_type": "\#(type)"}"#, to: "base/config.json")
    let fields = task.map { #", "task_type": "\#($0)""# } ?? ""
    let saved = Set(head.compactMap { $0.0.split(separator: ".").first.map(String.init) }).sorted()
    try models.peft(
      "lora", fields + #", "modules_to_save": ["\#(saved.joined(separator: "\", \""))"]"#,
      SmallModels.lora() + head.map { ("base_model.model.\($0.0)", $0.1) })
    let result = try models.run("merge base lora -o out --force\(options)")
    #expect(result.status == 0, "\(result.errors)")
    let text = try models.folder.appending("out").appending("config.json").contents
    return Result(config: try JSONFields(text), errors: result.errors)
  }

  private static func linear(_ name: String, _ rows: Int) -> [(String, [Int])] {
    [("\(name).weight", [rows, 8]), ("\(name).bias", [rows])]
  }

  /// The class follows from the task and the family, the labels from the last layer of the head.
  @Test(arguments: [
    ("llama", "SEQ_CLS", linear("score", 1), "LlamaForSequenceClassification", 1),
    ("llama", "TOKEN_CLS", linear("score", 5), "LlamaForTokenClassification", 5),
    ("bert", "SEQ_CLS", linear("classifier", 3), "BertForSequenceClassification", 3),
    ("bert", "TOKEN_CLS", linear("classifier", 3), "BertForTokenClassification", 3),
    (
      "roberta", "SEQ_CLS", linear("classifier.dense", 8) + linear("classifier.out_proj", 4),
      "RobertaForSequenceClassification", 4
    ),
    (
      "distilbert", "SEQ_CLS", linear("pre_classifier", 8) + linear("classifier", 6),
      "DistilBertForSequenceClassification", 6
    ),
    ("vit", nil, linear("classifier", 7), "ViTForImageClassification", 7),
    (
      "wav2vec2", nil, linear("projector", 6) + linear("classifier", 4),
      "Wav2Vec2ForSequenceClassification", 4
    ),
  ])
  func theConfigurationSaysIt(
    _ type: String, _ task: String?, _ head: [(String, [Int])], _ name: String, _ count: Int
  ) throws {
    let result = try merged(type, task, head)
    #expect(result.architectures == "\(JSONValue.array([.string(name)]))")
    #expect(result.labels == count)
    #expect(try result.config["label2id"]?.members.count == count)
    #expect(result.errors.contains("config.json: \(name) with \(count) label"))
  }

  @Test func anAnswerHasNoLabels() throws {
    let result = try merged("bert", "QUESTION_ANS", Self.linear("qa_outputs", 2))
    #expect(result.architectures.contains("BertForQuestionAnswering") && result.labels == nil)
  }

  /// Names that fit stay; numbers that do not are replaced; everything else is as its author wrote it.
  @Test func whatIsTrueStays() throws {
    let config =
      #"{"architectures": ["BertModel"],"model_type":"bert", "text": {"architectures": ["X"], "id2label": {"0": "}"}},"#
      + #""id2label": {"0": "a\"b", "1": "c", "2": "d"}, "last": 1}"#
    let head = Self.linear("classifier", 3)
    let kept = try merged("bert", "SEQ_CLS", head, config: config)
    let text = try models.folder.appending("out").appending("config.json").contents
    #expect(
      String(decoding: text, as: UTF8.self)
        == config.replacing(
          #"["BertModel"]"#, with: "[\n    \"BertForSequenceClassification\"\n  ]"))
    #expect(kept.labels == 3)
    let other = config.replacing(#", "2": "d""#, with: "").replacing(
      #""last": 1"#, with: #""num_labels": 2"#)
    let replaced = try merged("bert", "SEQ_CLS", head, config: other)
    #expect(replaced.labels == 3 && replaced.config["num_labels"] == nil)
    #expect(try JSONFields(try #require(replaced.config["text"]))["id2label"]?.members.count == 1)
  }

  /// Where nothing says which class it is, the user does.
  @Test func aConfigurationIsTaken() throws {
    let head = Self.linear("classifier", 3)
    let unknown = try merged("bert", nil, head)
    #expect(unknown.architectures == "null" && unknown.errors.contains("--config"))
    try models.text(#"{"model_type": "bert", "mine": true}"#, to: "mine.json")
    let given = try merged("bert", nil, head, options: " --config mine.json")
    #expect(
      given.config["mine"] == .boolean(true) && !given.errors.contains("nothing says of which"))
    try models.expectRefused(
      "merge base.safetensors lora -o x --config mine.json", says: "--config")
  }

  /// Marks that combine with a quote, and escapes in keys, hide nothing; a number of labels beside their names is stronger.
  @Test func keysAreFoundHoweverTheyAreWritten() throws {
    let config =
      "{\"note\": \"\u{301}a{b\", \"architec\\u0074ures\": [\"LlamaModel\"], \"id2l\\u0061bel\": {\"0\": \"a\", \"1\": \"b\"},"
      + " \"num_labels\": 5, \"model_type\": \"llama\"}"
    let two = try merged("llama", "SEQ_CLS", Self.linear("score", 2), config: config)
    #expect(two.architectures.contains("LlamaForSequenceClassification") && two.labels == 2)
    #expect(two.config["num_labels"] == nil && two.config.keys.count == 4)
    let three = try merged("llama", "SEQ_CLS", Self.linear("score", 3), config: config)
    #expect(three.labels == 3 && three.config["num_labels"] == nil)
  }

  /// A matrix that no class of the family has makes no classifier of a language model.
  @Test func anUnknownHeadIsNone() throws {
    let config = #"{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}"#
    let result = try merged("llama", nil, [("v_head.summary.weight", [1, 8])], config: config)
    #expect(result.architectures.contains("LlamaForCausalLM") && result.labels == nil)
    #expect(result.errors.contains("--config"))
  }

  /// Of another tokenizer the base's files of its own vocabulary are no part.
  @Test func twoTokenizersAreNotMixed() throws {
    for name in ["tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json"] {
      try models.text("base", to: "base/\(name)")
    }
    try models.peft("lora", SmallModels.lora())
    try models.text("other", to: "lora/tokenizer.json")
    try models.expectDone("merge base lora -o out", says: "not copied: merges.txt, vocab.json")
    let names = models.folder.appending("out").names
    #expect(names.contains("tokenizer_config.json") && !names.contains("vocab.json"))
    try models.expectDone("merge base lora -o same --tokenizer base")
    #expect(models.folder.appending("same").names.contains("vocab.json"))
  }

  /// The output layer of a language model is no such head.
  @Test func anOutputLayerIsNone() throws {
    let result = try merged(
      "llama", "CAUSAL_LM", [("lm_head.weight", [16, 8])],
      config: #"{"model_type": "llama", "tie_word_embeddings": false}"#)
    #expect(!result.errors.contains("labels") && !result.errors.contains("--config"))
  }

  @Test func modulesThatNobodyHasAreTold() throws {
    let result = try merged("deberta-v2", "SEQ_CLS", Self.linear("classifier", 3))
    #expect(result.errors.contains("neither base nor adapter has its pooler"))
  }

  /// A tokenizer with more tokens than the model has rows.
  @Test(arguments: [
    (#"{"model": {"vocab": {"a": 0, "b": 20}}}"#, true),
    (#"{"model": {"vocab": {"a": 15}}}"#, false),
    (
      #"{"model": {"vocab": [["a", -1], ["b", -2]]}, "added_tokens": [{"id": 16, "content": "x"}]}"#,
      true
    ),
    (#"{"model": {"vocab": "none"}, "added_tokens": 3}"#, false), ("[1", false),
  ])
  func tokensWithoutRowsAreTold(_ tokenizer: String, _ isTold: Bool) throws {
    try models.peft("lora", SmallModels.lora())
    try models.text(tokenizer, to: "lora/tokenizer.json")
    let result = try models.run("merge base lora -o out")
    #expect(result.status == 0 && result.errors.contains("the tokenizer is the adapter's"))
    #expect(result.errors.contains("and the model 16 rows for them") == isTold)
  }
}
