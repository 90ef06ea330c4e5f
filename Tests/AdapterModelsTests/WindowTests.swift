import AdapterModels
import Checkpoints
import Operations
import SystemPackage
import TestSupport
import Testing

/// Windows of positions, beyond the few tokens of the fixtures.
@Suite struct WindowTests {
  private static let tokens = (0..<150).map { Int32($0 * $0 % 61) }

  private static func model(_ base: String, _ edits: (old: String, new: String)...) throws
    -> LanguageModel
  {
    let folder = try TemporaryFolder()
    for file in ["config.json", "model.safetensors"] {
      try folder.write(Repository.base(base).appending(file).contents, to: file)
    }
    for edit in edits { try folder.edit("config.json", edit.old, edit.new) }
    return try LanguageModel(Checkpoint(folder.path))
  }

  private static func logits(_ model: LanguageModel, _ tokens: [Int32]) throws -> [Float] {
    try model.logits(after: [.init(DecodingSequence(model), tokens)], at: .all)[0]
  }

  /// Several blocks of queries at once, and then one query after the other.
  @Test(arguments: ["run-mistral", "run-qwen3", "run-gemma2", "run-gemma3", "run-phi3"])
  func aLongTextIsTheSameInPieces(_ base: String) throws {
    let model = try Self.model(
      base, ("\"max_position_embeddings\": 64", "\"max_position_embeddings\": 200"))
    let whole = try Self.logits(model, Self.tokens)
    let sequence = try DecodingSequence(model)
    var pieces: [Float] = []
    for range in [0..<70, 70..<73, 73..<140] {
      pieces += try model.logits(after: [.init(sequence, Array(Self.tokens[range]))], at: .all)[0]
    }
    for token in Self.tokens[140...] {
      pieces += try model.logits(after: [.init(sequence, [token])])[0]
    }
    #expect(distance(whole, pieces) <= 1e-4)
  }

  /// A window is what transformers takes it for: none with null, 4096 without the field.
  @Test func aWindowIsThatOfTheConfiguration() throws {
    let tokens = Array(Self.tokens[..<12])
    let text = "\"sliding_window\": 4,"
    let narrow = try Self.logits(Self.model("run-mistral"), tokens)
    let none = try Self.logits(
      Self.model("run-mistral", (text, "\"sliding_window\": null,")), tokens)
    let missing = try Self.logits(Self.model("run-mistral", (text, "")), tokens)
    #expect(none == missing)
    #expect(distance(narrow, none) > 0.1)
    // The first rows see all that there is in either case.
    #expect(distance(Array(narrow[..<(4 * 64)]), Array(none[..<(4 * 64)])) <= 1e-4)
    let all = try Self.logits(
      Self.model("run-qwen3", ("\"max_window_layers\": 1", "\"max_window_layers\": 0")), tokens)
    #expect(distance(all, try Self.logits(Self.model("run-qwen3"), tokens)) > 0.1)
  }

  /// A Qwen3 that says it is Llama would run without its norms.
  @Test func weightsOfAnotherArchitectureAreRefused() throws {
    let error = #expect(throws: AdapterError.self) {
      try Self.model("run-qwen3", ("\"qwen3\"", "\"llama\""), ("\"use_sliding_window\": true,", ""))
    }
    #expect(
      error?.description.contains("layers.0.self_attn.k_norm.weight") == true,
      "\(String(describing: error))")
  }

  /// Longer texts have other factors from their first position on, which would change what is cached.
  @Test func longRopeEndsWhereItsLongFactorsBegin() throws {
    let model = try Self.model("run-phi3-long")
    #expect(model.positionCount == 32)
    _ = try Self.logits(model, Array(Self.tokens[..<32]))
    #expect(throws: AdapterError.self) { try Self.logits(model, Array(Self.tokens[..<33])) }
  }
}
