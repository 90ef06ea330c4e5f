import AdapterModels
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing

/// Tokenizers agree with the `tokenizers` package on 12,000 texts and 3,000 sequences each.
@Suite struct TokenizerTests {
  static let names = [
    "gpt2", "bloom", "smollm2", "llama3", "qwen2", "flags", "llama2", "phi3", "mistral3", "gemma",
    "metaspace",
  ]

  @Test func theTextsAreTheMakers() throws {
    let texts = try TokenizerTexts.shared.get()
    #expect(texts.count >= 10_000)
    for (place, block) in texts.blocks(of: texts.count).enumerated() {
      var hasher = DigestHasher()
      for index in block { hasher.update(texts.text(index)) }
      #expect(hasher.short == texts.digests[place], "texts \(block)")
    }
  }

  @Test(arguments: names) func everyTextIsThePackages(_ name: String) throws {
    let folder = TokenizerTexts.folder
    let tokenizer = try Tokenizer(folder.appending("\(name).json"))
    try TokenizerExpectations(folder.appending("\(name).expected.json").contents).check(tokenizer)
  }

  private static let base = ProcessInfo.processInfo.environment["ADAPTER_REAL_BASE"]
  private static let python = ProcessInfo.processInfo.environment["ADAPTER_PEFT_PYTHON"]

  @Test(
    .enabled(
      if: base != nil && python != nil,
      "ADAPTER_REAL_BASE names no model, or ADAPTER_PEFT_PYTHON no Python with tokenizers"))
  func everyTextIsThePackagesWithARealVocabulary() throws {
    let folder = FilePath(try #require(Self.base))
    let result = try Command.run(
      FilePath(try #require(Self.python)), ["-m", "makers.tokenizers", "--real", folder.string],
      environment: ["PYTHONPATH": Repository.fixtures.string])
    #expect(result.status == 0, "\(result.errors)")
    let tokenizer = try Tokenizer(folder.appending("tokenizer.json"))
    try TokenizerExpectations(Array(result.output.utf8)).check(tokenizer)
  }

  @Test func tokensHaveNamesAndKinds() throws {
    let tokenizer = try Tokenizer(TokenizerTexts.folder.appending("llama3.json"))
    #expect(tokenizer.vocabularySize == 905)
    let begin = try #require(tokenizer.id(of: "<|begin_of_text|>"))
    #expect(tokenizer.isSpecial(begin))
    #expect(tokenizer.encode("") == [begin])
    #expect(tokenizer.encode("", addingSpecialTokens: false) == [])
    let space = try #require(tokenizer.id(of: "Ġ"))
    #expect(!tokenizer.isSpecial(space))
    #expect(tokenizer.decode([space]) == " ")
    #expect(tokenizer.id(of: "no such token") == nil)
    #expect(tokenizer.id(of: "") == nil)
    #expect(tokenizer.decode([-1, .min, .max, 905, space]) == " ")
    #expect(!tokenizer.isSpecial(-1))
  }

  @Test func aStreamHoldsBackOnlyWhatIsNotWhole() throws {
    let tokenizer = try Tokenizer(TokenizerTexts.folder.appending("gpt2.json"))
    // The bytes of U+1F600, then a letter.
    let ids = try ["ð", "Ł", "ĺ", "Ģ", "a"].map { try #require(tokenizer.id(of: $0)) }
    var stream = TextStream(tokenizer)
    #expect(ids.map { stream.append($0) } == ["", "", "", "\u{1F600}", "a"])
    #expect(stream.finish() == "")
    #expect(stream.append(ids[0]) == "")
    #expect(stream.append(ids[4]) == "\u{FFFD}a")
    #expect(stream.append(ids[0]) == "")
    #expect(stream.append(ids[1]) == "")
    #expect(stream.finish() == "\u{FFFD}")
    #expect(stream.finish() == "")
  }

  @Test func bytesThatAreSpelledWaitForTheEndOfTheirRun() throws {
    let tokenizer = try Tokenizer(TokenizerTexts.folder.appending("llama2.json"))
    let ids = try ["▁", "a", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>", "▁"].map {
      try #require(tokenizer.id(of: $0))
    }
    var stream = TextStream(tokenizer)
    #expect(ids.map { stream.append($0) } == ["", "a", "", "", "", "", "\u{1F600} "])
    #expect(stream.finish() == "")
    // Of a run that is not UTF-8 each byte is one replacement.
    #expect(tokenizer.decode([ids[2], ids[3], ids[1]]) == "\u{FFFD}\u{FFFD}a")
    #expect(tokenizer.decode([ids[0], ids[0]]) == " ")
  }

  @Test(arguments: ["bloom", "gemma"]) func longWordsCostLittle(_ name: String) throws {
    let tokenizer = try Tokenizer(TokenizerTexts.folder.appending("\(name).json"))
    var ids: [Int32] = []
    // Quadratic work on two million letters would take hours.
    let word = String(repeating: "abcab", count: 400_000)
    let seconds = processorSeconds { ids = tokenizer.encode(word) }
    #expect(tokenizer.decode(ids, skippingSpecialTokens: true) == word)
    #expect(seconds < 20)
  }
}
