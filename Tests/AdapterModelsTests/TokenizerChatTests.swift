import AdapterModels
import Checkpoints
import Foundation
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Conversations get the form that the models' own templates write.
@Suite struct TokenizerChatTests {
  private static func tokenizer(_ name: String) throws -> Tokenizer {
    try Tokenizer(TokenizerTexts.folder.appending("\(name).json"))
  }

  @Test func formsHaveNames() {
    #expect(ChatTemplate.names.first == "chatml" && ChatTemplate.names.last == "plain")
    for name in ChatTemplate.names { #expect(ChatTemplate(name)?.name == name) }
    #expect(ChatTemplate("ChatML") == nil)
    #expect(ChatTemplate("jinja") == nil)
  }

  @Test func theVocabularyDecidesTheForm() throws {
    #expect(try ChatTemplate(for: Self.tokenizer("smollm2")).name == "chatml")
    #expect(try ChatTemplate(for: Self.tokenizer("qwen2")).name == "chatml")
    #expect(try ChatTemplate(for: Self.tokenizer("llama3")).name == "llama3")
    for name in ["gpt2", "bloom", "flags"] {
      let tokenizer = try Self.tokenizer(name)
      let error = #expect(throws: TokenizerError.self) { try ChatTemplate(for: tokenizer) }
      #expect(error?.description.contains("chatml, llama2, llama3, ") == true)
    }
  }

  @Test func promptsAreWritten() throws {
    let turns: [ChatTemplate.Turn] = [
      .init(.user, "A "), .init(.assistant, "B"), .init(.user, "C"),
    ]
    #expect(
      try #require(ChatTemplate("chatml")).prompt(turns, system: "S") == """
        <|im_start|>system
        S<|im_end|>
        <|im_start|>user
        A <|im_end|>
        <|im_start|>assistant
        B<|im_end|>
        <|im_start|>user
        C<|im_end|>
        <|im_start|>assistant

        """)
    #expect(
      try #require(ChatTemplate("llama3")).prompt([.init(.user, " A \n")]) == """
        <|begin_of_text|><|start_header_id|>user<|end_header_id|>

        A<|eot_id|><|start_header_id|>assistant<|end_header_id|>


        """)
    let plain = try #require(ChatTemplate("plain"))
    #expect(try plain.prompt([.init(.user, " A \n")]) == " A \n")
    #expect(try plain.prompt(turns, system: "S") == "S\nA \nB\nC")
  }

  @Test func theBeginningStandsOnce() throws {
    let tokenizer = try Self.tokenizer("llama3")
    let begin = try #require(tokenizer.id(of: "<|begin_of_text|>"))
    for name in ["llama3", "plain"] {
      let template = try #require(ChatTemplate(name))
      let ids = try template.encode([.init(.user, "Hello")], with: tokenizer)
      #expect(ids.first == begin)
      #expect(ids.dropFirst().contains(begin) == false)
    }
  }

  /// The first file that holds a template decides; special tokens may be in several.
  @Test func theModelsTemplateIsFound() throws {
    let folder = try TemporaryFolder()
    func text() throws -> String? {
      try ChatFiles(folder.path).chatTemplate()?.prompt([.init(.user, "Hi")])
    }
    #expect(try text() == nil && !ChatFiles(folder.path).hasTemplate)
    try folder.write(Array("{}".utf8), to: "tokenizer_config.json")
    #expect(try text() == nil)
    let config =
      #"{"bos_token": {"content": "<s>"}, "chat_template": "{{ bos_token }}1{{ eos_token }}"}"#
    try folder.write(Array(config.utf8), to: "tokenizer_config.json")
    let error = #expect(throws: TokenizerError.self) { try text() }
    #expect(
      error?.description
        == "\(folder.path)/tokenizer_config.json: the chat template cannot be used: it asks for eos_token, "
        + "which tokenizer_config.json does not name")
    try folder.write(Array(#"{"eos_token": "</s>"}"#.utf8), to: "special_tokens_map.json")
    #expect(try text() == "<s>1</s>")
    try folder.write(
      Array(#"{"chat_template": "2{{ bos_token }}"}"#.utf8), to: "chat_template.json")
    #expect(try text() == "2<s>")
    try folder.write(Array("3".utf8), to: "chat_template.jinja")
    #expect(try text() == "3")
  }

  /// One of several templates is the default, and a class without tokens of its own has those that are named.
  @Test func severalTemplatesAndNoTokens() throws {
    let folder = try TemporaryFolder()
    let config = """
      {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": [{"name": "tool_use", "template": "1"}, \
      {"name": "default", "template": "2{{ bos_token }}{{ bos_token is defined }}"}]}
      """
    try folder.write(Array(config.utf8), to: "tokenizer_config.json")
    #expect(try ChatFiles(folder.path).chatTemplate()?.prompt([.init(.user, "Hi")]) == "2False")
    try folder.write(Array("{".utf8), to: "tokenizer_config.json")
    #expect(throws: TokenizerError.self) { try ChatFiles(folder.path) }
  }

  private static let adapters = ProcessInfo.processInfo.environment["ADAPTER_REAL"]
  private static let base = ProcessInfo.processInfo.environment["ADAPTER_REAL_BASE"]

  @Test(
    .enabled(
      if: adapters != nil && base != nil,
      "ADAPTER_REAL names no folder of real adapters, or ADAPTER_REAL_BASE no base"))
  func realPromptsAreTheReferences() throws {
    let folder = FilePath(try #require(Self.base))
    let tokenizer = try Tokenizer(folder.appending("tokenizer.json"))
    let template = try #require(try ChatFiles(folder).chatTemplate())
    let reference = try SafetensorsFile(
      FilePath(try #require(Self.adapters)).appending("lora_qv_r8/reference.safetensors"))
    for (name, text) in [
      ("ids0", "What is the capital of Italy?"), ("ids1", "How do I make tea?"),
    ] {
      let tensor = try #require(reference.header.tensors.first { $0.info.name == Name(name) })
      // 64-bit integers, all of them small.
      let bytes = try reference.file.bytes(
        at: reference.offset(of: tensor), count: tensor.info.byteCount)
      let ids = stride(from: 0, to: bytes.count, by: 8).map {
        Int32(bytes[$0]) | Int32(bytes[$0 + 1]) << 8
      }
      #expect(!ids.isEmpty)
      #expect(
        try template.encode([.init(.user, text)], with: tokenizer) == ids)
    }
  }
}
