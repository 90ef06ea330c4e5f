import Checkpoints
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// `adapter run`; what it writes is in Tests/Transcripts/run.txt.
@Suite struct RunCommandTests {
  private static let speaking = Repository.fixtures.appending("speaking")

  /// What transformers and PEFT say, token by token and as text (Fixtures/makers/speaking.py).
  @Test(arguments: ["base", "lora", "prompt"])
  func itSaysWhatPEFTSays(_ name: String) throws {
    let said = try JSONFields(Self.speaking.appending("said.json").contents)
    guard case .object(let prompts) = said[name] else {
      Issue.record("no \(name)")
      return
    }
    #expect(prompts.count == 5)
    for prompt in prompts {
      guard case .object(let members) = prompt.value else { continue }
      func value(_ key: Name) -> JSONValue? { members.first { $0.key == key }?.value }
      let isStory = prompt.key == "Once upon a time"
      var arguments = ["run", Self.speaking.appending("base").string]
      if name != "base" { arguments.append(Self.speaking.appending(name).string) }
      arguments += ["--prompt", prompt.key.text, "--max-new-tokens", "48"]
      if !isStory { arguments.append("--chat") }
      let result = try Command.run(Command.adapter, arguments + ["--json"])
      #expect(result.status == 0, "\(result.errors)")
      let answer = try JSONFields(Array(result.output.utf8))
      #expect(answer["prompt_ids"] == value("prompt_ids"))
      guard case .array(let runs) = answer["runs"], case .object(let run)? = runs.first else {
        Issue.record("no runs")
        continue
      }
      #expect(run.first { $0.key == "ids" }?.value == value("ids"), "\(prompt.key)")
      #expect(run.first { $0.key == "text" }?.value == value("text"), "\(prompt.key)")
      // The stream of the text is the text.
      let streamed = try Command.run(Command.adapter, arguments)
      #expect(value("text") == .string(String(streamed.output.dropLast())))
    }
  }

  /// The file holds what PEFT says of the next token.
  @Test(arguments: [
    "gpt2_prefix", "bloom_lora", "llama_prompt", "qwen2_bitfit", "mistral_prefix", "qwen3_norms",
    "gemma2_embed", "gemma3_prompt", "phi3_dora",
  ])
  func theFileOfLogitsIsPEFTs(_ name: String) throws {
    let folder = try TemporaryFolder()
    let fixture = Repository.fixtures.appending("runtime").appending(name)
    let base = try JSONFields(fixture.appending("case.json").contents).string("base")
    let reference = try Checkpoint(fixture.appending("logits.safetensors"))
    let ids = try reference.integers("ids1")
    let expected = try reference.floats("logits1")
    var adapter = fixture
    if fixture.appending("biases.safetensors").exists {
      adapter = folder.appending("biases.adp")
      let made = try Command.run(
        Command.adapter,
        [
          "extract", Repository.base(base).string, fixture.appending("biases.safetensors").string,
          "-o", adapter.string, "--method", "bitfit",
        ])
      try #require(made.status == 0, "\(made.errors)")
    }
    let output = folder.appending("logits.safetensors")
    let result = try Command.run(
      Command.adapter,
      [
        "run", Repository.base(base).string, adapter.string, "--token-ids",
        ids.map(String.init).joined(separator: ","), "--logits", output.string,
      ])
    #expect(result.status == 0 && result.output.isEmpty, "\(result.errors)")
    let logits = try Checkpoint(output).floats("logits")
    let last = expected.suffix(logits.count)
    #expect(logits.count == 64 && zip(logits, last).allSatisfy { abs($0 - $1) <= 1e-4 })
  }

  /// A failure leaves no file of logits.
  @Test func nothingIsWrittenAfterAFailure() throws {
    let folder = try TemporaryFolder()
    let result = try Command.adapter(
      "run", Repository.base("run-llama").string, "--token-ids", "99", "--logits",
      folder.appending("logits.safetensors").string)
    #expect(result.status == 2 && result.output.isEmpty)
    #expect(result.errors == "adapter: error: there is no token 99: the model has 64\n")
    #expect(folder.names.isEmpty)
  }

  /// What a model says cannot steer a terminal; its bytes are all in the JSON.
  @Test func whatCannotBePrintedIsShown() throws {
    let folder = try TemporaryFolder()
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
      try folder.write(
        Self.speaking.appending("base").appending(file).contents, to: file)
    }
    // The first token of the story's continuation becomes the escape character.
    try folder.edit("tokenizer.json", "\"Ġt\":", "\"swapped\":")
    try folder.edit("tokenizer.json", "\"\u{11B}\":", "\"Ġt\":")
    try folder.edit("tokenizer.json", "\"swapped\":", "\"\u{11B}\":")
    let said = try JSONFields(Self.speaking.appending("said.json").contents)
    guard case .object(let base) = said["base"], case .object(let story)? = base.last?.value,
      case .array(let ids)? = story.first?.value
    else { throw Unexpected() }
    let prompt = ids.compactMap { if case .integer(let id) = $0 { "\(id)" } else { nil } }
    let arguments = [
      "run", folder.path.string, "--token-ids", prompt.joined(separator: ","),
      "--max-new-tokens", "3",
    ]
    let text = try Command.run(Command.adapter, arguments)
    #expect(text.output == "\\u{1b}here\n")
    let json = try Command.run(Command.adapter, arguments + ["--json"])
    #expect(json.output.contains(#""text": "\u001bhere""#))
  }

  private struct Unexpected: Error {}
}
