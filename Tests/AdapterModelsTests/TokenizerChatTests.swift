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
    #expect(ChatTemplate("chatml") == .chatML)
    #expect(ChatTemplate("llama3") == .llama3)
    #expect(ChatTemplate("plain") == .plain)
    #expect(ChatTemplate("ChatML") == nil)
    #expect(ChatTemplate("jinja") == nil)
  }

  @Test func theVocabularyDecidesTheForm() throws {
    #expect(try ChatTemplate(for: Self.tokenizer("smollm2")) == .chatML)
    #expect(try ChatTemplate(for: Self.tokenizer("qwen2")) == .chatML)
    #expect(try ChatTemplate(for: Self.tokenizer("llama3")) == .llama3)
    for name in ["gpt2", "bloom", "flags"] {
      let tokenizer = try Self.tokenizer(name)
      let error = #expect(throws: TokenizerError.self) { try ChatTemplate(for: tokenizer) }
      #expect(error?.description.contains("chatml, llama3, plain") == true)
    }
  }

  @Test func promptsAreWritten() {
    let turns: [ChatTemplate.Turn] = [
      .init(.user, "A "), .init(.assistant, "B"), .init(.user, "C"),
    ]
    #expect(
      ChatTemplate.chatML.prompt(turns, system: "S") == """
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
      ChatTemplate.llama3.prompt([.init(.user, " A \n")]) == """
        <|begin_of_text|><|start_header_id|>user<|end_header_id|>

        A<|eot_id|><|start_header_id|>assistant<|end_header_id|>


        """)
    #expect(ChatTemplate.plain.prompt([.init(.user, " A \n")]) == " A \n")
  }

  @Test func theBeginningStandsOnce() throws {
    let tokenizer = try Self.tokenizer("llama3")
    let begin = try #require(tokenizer.id(of: "<|begin_of_text|>"))
    for template in [ChatTemplate.llama3, .plain] {
      let ids = template.encode([.init(.user, "Hello")], with: tokenizer)
      #expect(ids.first == begin)
      #expect(ids.dropFirst().contains(begin) == false)
    }
  }

  @Test(arguments: [
    ("{{'<|im_start|>system\\n", "'}}"), ("{{ '<|im_start|>system\n", "' }}"),
    ("\"system\\\\n", "\""),
  ])
  func theDefaultSystemTextIsFound(_ parts: (String, String)) throws {
    let folder = try TemporaryFolder()
    let text = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    #expect(ChatTemplate.defaultSystem(ofModel: folder.path) == nil)
    try folder.write(
      Array("\(parts.0)\(text)<|im_end|>\(parts.1)".utf8), to: "tokenizer_config.json")
    #expect(ChatTemplate.defaultSystem(ofModel: folder.path) == text)
    try folder.write(
      Array("system\nYou are a helpful assistant.<|im_end|>".utf8), to: "chat_template.jinja")
    #expect(ChatTemplate.defaultSystem(ofModel: folder.path) == "You are a helpful assistant.")
    try folder.write(Array("system\nWho knows<|im_end|>".utf8), to: "chat_template.jinja")
    try folder.write(Array("{}".utf8), to: "tokenizer_config.json")
    #expect(ChatTemplate.defaultSystem(ofModel: folder.path) == nil)
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
    let template = try ChatTemplate(for: tokenizer)
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
        template.encode(
          [.init(.user, text)], system: ChatTemplate.defaultSystem(ofModel: folder), with: tokenizer
        )
          == ids)
    }
  }
}
