import AdapterModels
import SystemPackage
import TestSupport
import Testing

/// What is not implemented is refused by name, and what contradicts itself by place.
@Suite struct TokenizerRefusalTests {
  struct Edit: Sendable, CustomTestStringConvertible {
    let file, old, new, words: String
    var testDescription: String { words }

    init(_ file: String, _ old: String, _ new: String, _ words: String) {
      (self.file, self.old, self.new, self.words) = (file, old, new, words)
    }
  }

  private static let noPadding = #""padding":null"#
  private static let unsupported = [
    Edit("gpt2", #""truncation":null"#, #""truncation":{"max_length":8}"#, "truncation"),
    Edit("gpt2", noPadding, #""padding":{"strategy":{"Fixed":8}}"#, "padding to a length"),
    Edit(
      "gpt2", noPadding, #""padding":{"strategy":"BatchLongest","pad_to_multiple_of":8}"#,
      "padding to a length"),
    Edit("gpt2", noPadding, #""padding":null,"extra":1"#, "the field \"extra\""),
    Edit("qwen2", #""type":"NFC""#, #""type":"NFKC""#, "the normalizer \"NFKC\""),
    Edit("flags", "caf\u{E9} noir", "cafe\u{301} noir", "which NFC changes"),
    Edit("gpt2", #""type":"BPE""#, #""type":"WordPiece""#, "the model \"WordPiece\""),
    Edit("gpt2", #""type":"BPE""#, #""type":"Unigram""#, "the model \"Unigram\""),
    Edit("gpt2", #""dropout":null"#, #""dropout":0.1"#, "the model's dropout"),
    Edit("gpt2", #""unk_token":null"#, #""unk_token":"a""#, "the model's unk_token"),
    Edit("gpt2", #""byte_fallback":false"#, #""byte_fallback":true"#, "the model's byte_fallback"),
    Edit(
      "gpt2", #""end_of_word_suffix":null"#, #""end_of_word_suffix":"</w>""#,
      "the model's end_of_word_suffix"),
    Edit(
      "gpt2", #""continuing_subword_prefix":null"#, #""continuing_subword_prefix":"x""#,
      "the model's continuing_subword_prefix"),
    Edit("gpt2", #""fuse_unk":false"#, #""other":false"#, "the model's field \"other\""),
    Edit(
      "smollm2", #""type":"Digits""#, #""type":"Metaspace""#, "the pre-tokenizer \"Metaspace\""),
    Edit(
      "smollm2", #""individual_digits":true"#, #""individual_digits":false"#,
      "the pre-tokenizer Digits without individual_digits"),
    Edit("bloom", #"{"Regex":" ?"#, #"{"Regex":" ??"#, "the pattern \" ??[^("),
    Edit("bloom", #"{"Regex":" ?"#, #"{"String":" ?"#, "without a regular expression"),
    Edit("bloom", #""behavior":"Isolated""#, #""behavior":"Removed""#, "the behavior \"Removed\""),
    Edit("bloom", #""invert":false"#, #""invert":true"#, "Split with invert"),
    Edit(
      "llama3", #""type":"TemplateProcessing""#, #""type":"BertProcessing""#,
      "the post-processor \"BertProcessing\""),
    Edit(
      "gpt2", #""decoder":{"type":"ByteLevel""#, #""decoder":{"type":"WordPiece""#,
      "the decoder \"WordPiece\""),
    Edit("qwen2", #""decoder":{"#, #""decoder":null,"padding2":{"#, "the field \"padding2\""),
  ]

  private static let invalid = [
    Edit("gpt2", #""model":{"#, #""other":{"#, "it has no model"),
    Edit("gpt2", #""vocab":{"!":0"#, #""vocab":{"!":5000"#, "the id 5000 leaves a gap"),
    Edit("gpt2", #""vocab":{"!":0"#, #""vocab":{"!":1"#, "two tokens have the id 1"),
    Edit("gpt2", #""merges":[["#, #""merges":[["q","\u0000"],["#, "names no tokens of the vocab"),
    Edit("gpt2", #""merges":[["#, #""merges":["a b c",["#, "the merge 0 is not two tokens"),
    Edit("gpt2", #""merges":[["#, #""merges":["ab",["#, "the merge 0 is not two tokens"),
    Edit(
      "gpt2", #""added_tokens":[{"id":900"#, #""added_tokens":[{"id":901"#, "but should have 900"),
    Edit("gpt2", #""content":"<|endoftext|>""#, #""content":"!""#, "but should have 0"),
    Edit(
      "gpt2", #""content":"<|endoftext|>""#, #""content":"""#, "the added token 900 has no text"),
    Edit("gpt2", #""lstrip":false"#, #""lstrip":0"#, "no \"lstrip\" that is true or false"),
    Edit("llama3", #""ids":["#, #""ids":[4096,"#, "has an id that is none"),
    Edit(
      "llama3", #""single":[{"SpecialToken":{"id":"<|begin_of_text|>""#,
      #""single":[{"SpecialToken":{"id":"x""#, "has no \"x\""),
  ]

  private static func error(of edit: Edit) throws -> TokenizerError {
    let folder = try TemporaryFolder()
    try folder.copy(TokenizerTexts.folder.appending("\(edit.file).json"), to: "tokenizer.json")
    try folder.edit("tokenizer.json", edit.old, edit.new)
    let path = folder.appending("tokenizer.json")
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(path) }
    return try #require(error)
  }

  @Test(arguments: unsupported) func whatIsNotImplementedIsNamed(_ edit: Edit) throws {
    let error = try Self.error(of: edit)
    guard case .unsupported(_, let what) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(what.contains(edit.words))
    #expect(error.description.hasSuffix("is not supported"))
  }

  @Test(arguments: invalid) func whatContradictsItselfIsNamed(_ edit: Edit) throws {
    let error = try Self.error(of: edit)
    guard case .invalid(_, let what) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(what.contains(edit.words), "\(what)")
    #expect(!error.description.contains("\n"))
  }

  @Test func duplicateMergesAndTokensAreRefused() throws {
    let bytes = try TokenizerTexts.folder.appending("gpt2.json").contents
    let text = String(decoding: bytes, as: UTF8.self)
    let first = try #require(text.firstRange(of: "\"merges\":["))
    let rest = text[first.upperBound...]
    let end = try #require(rest.firstIndex(of: "]"))
    let merge = rest[...end]
    let doubled = text[..<first.upperBound] + merge + "," + rest
    let error = #expect(throws: TokenizerError.self) {
      try Tokenizer(Array(doubled.utf8), calledAs: "doubled")
    }
    #expect(error?.description == "doubled: bad tokenizer: the merge 1 is there twice")
    let twice = text.replacing("\"vocab\":{", with: "\"vocab\":{\"a\":7,")
    let second = #expect(throws: TokenizerError.self) {
      try Tokenizer(Array(twice.utf8), calledAs: "twice")
    }
    #expect(second?.description.contains("duplicate key \"a\"") == true)
  }

  @Test func otherFilesAreRefused() throws {
    let folder = try TemporaryFolder()
    #expect(throws: TokenizerError.self) { try Tokenizer(folder.path) }
    #expect(throws: TokenizerError.self) { try Tokenizer(folder.appending("none")) }
    for text in [
      "", "{}", "[]", "null", "{\"model\":{}}", "{\"model\":[]}", "{\"model\":{\"vocab\":{}}}",
    ] {
      #expect(throws: TokenizerError.self) {
        try Tokenizer(Array(text.utf8), calledAs: "other")
      }
    }
    let nested = String(repeating: "{\"type\":\"Sequence\",\"decoders\":[", count: 10_000)
    #expect(throws: TokenizerError.self) {
      try Tokenizer(Array("{\"decoder\":\(nested)".utf8), calledAs: "nested")
    }
  }
}
