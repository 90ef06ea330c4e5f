import Checkpoints
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing

/// The article "From a PEFT folder to tokens" of the documentation.
@Suite struct ArticleTests {
  /// Its code is what is compiled beside this file, no more and no less.
  @Test func theCodeIsCompiled() throws {
    let blocks = try fencedBlocks("swift", of: "Sources/Library.docc/FromPEFTToTokens.md")
    #expect(blocks.count >= 7)
    let imports = try #require(blocks.first)
    let body = blocks.dropFirst().flatMap { $0.components(separatedBy: "\n") + [""] }.dropLast()
      .map { $0.isEmpty ? "" : "  " + $0 }.joined(separator: "\n")
    let file = Repository.root.appending("Tests/ReadmeTests/ArticleExample.swift")
    let source = String(decoding: try file.contents, as: UTF8.self)
    #expect(source.hasPrefix(imports + "\n\n"))
    #expect(source.hasSuffix("func articleExample() throws {\n\(body)\n}\n"))
  }

  /// It says what PEFT's own model says, in a process of its own, whose folder has its paths.
  @Test func theCodeDoesWhatPEFTDoes() async throws {
    let result = try await #require(
      processExitsWith: .success, observing: [\.standardOutputContent]
    ) {
      let folder = try ArticleFolder()
      #expect(FileManager.default.changeCurrentDirectoryPath(folder.path.string))
      try articleExample()
    }
    let lines = String(decoding: result.standardOutputContent, as: UTF8.self)
      .split(separator: "\n")
    let (one, two) = (try Answer("llama_lora"), try Answer("llama_two_loras"))
    let letters = try articleLetters()
    let spoken = lines.filter { $0.hasPrefix(one.text(letters)) }
    #expect(spoken.count == 2 && Set(spoken).count == 1, "\(lines)")
    #expect(lines.contains { $0.hasPrefix(two.text(letters)) }, "\(lines)")
    #expect(lines.contains("style × 0.7: lora, 14 add_low_rank; base: matches in every sample"))
    // The first token of each adapter, of a pass that ran both.
    #expect(lines.suffix(3).first == "\(one.text(letters).prefix(1))", "\(lines)")
    #expect(lines.last?.hasPrefix("2 adapters in ") == true)
  }

  /// The hashes that it prints are those of the tensors that `adapter merge` writes.
  @Test func theTensorsAreThoseOfAMerge() async throws {
    let result = try await #require(
      processExitsWith: .success, observing: [\.standardOutputContent]
    ) {
      let folder = try ArticleFolder()
      #expect(FileManager.default.changeCurrentDirectoryPath(folder.path.string))
      try articleExample()
      let merged = try Command.run(
        Command.adapter, ["merge", "path/to/model", "style.adp:0.7", "-o", "merged"],
        folder: folder.path)
      #expect(merged.status == 0, "\(merged.errors)")
      for tensor in try Checkpoint(folder.appending("merged")).tensors {
        let bytes = try tensor.contents()
        print("merged \(tensor.info.name) \(Digest(of: bytes))")
      }
    }
    let words = String(decoding: result.standardOutputContent, as: UTF8.self)
      .split(separator: "\n").map { $0.split(separator: " ") }
    let merged = Dictionary(
      uniqueKeysWithValues: words.filter { $0.first == "merged" }.map { ($0[1], $0[2]) })
    let hashed = words.filter { $0.count > 2 && $0.last?.count == 64 && $0.first != "merged" }
    #expect(hashed.count == 14)
    for line in hashed { #expect(merged[line[0]] == line.last, "\(line)") }
  }
}

/// What PEFT's model said for a prompt of five tokens: a case below Fixtures/runtime.
private struct Answer {
  let prompt: [Int]
  let tokens: [Int]

  init(_ name: String) throws {
    let file = try Checkpoint(
      Repository.fixtures.appending("runtime/\(name)/logits.safetensors"))
    prompt = try Self.integers("ids1", file)
    tokens = try Self.integers("greedy1", file)
  }

  private static func integers(_ name: String, _ file: Checkpoint) throws -> [Int] {
    let tensor = try #require(file.tensors.first { "\($0.info.name)" == name })
    let bytes = try tensor.contents()
    return stride(from: 0, to: bytes.count, by: 8).map { Int(bytes[$0]) }
  }

  func text(_ letters: [Character]) -> String { String(tokens.map { letters[$0] }) }
}

/// The characters of the 64 tokens of a model without a vocabulary, such that the prompts of the article are
/// those that PEFT's model was given.
private func articleLetters() throws -> [Character] {
  var letters = [Character?](repeating: nil, count: 64)
  for (text, name) in [("Today", "llama_lora"), ("Night", "llama_two_loras")] {
    let prompt = try Answer(name).prompt
    try #require(prompt.count == text.count)
    for (token, letter) in zip(prompt, text) {
      try #require(letters[token] == nil)
      letters[token] = letter
    }
  }
  var others = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,"
    .filter { !letters.contains($0) }
  return letters.map { $0 ?? others.removeFirst() }
}

/// A folder with everything that the article names.
private struct ArticleFolder {
  private let folder: TemporaryFolder
  var path: FilePath { folder.path }

  init() throws {
    folder = try TemporaryFolder()
    for name in ["path/to", "adapters"] {
      try FileManager.default.createDirectory(
        atPath: folder.path.pushing(FilePath(name)).string, withIntermediateDirectories: true)
    }
    let cases = Repository.fixtures.appending("runtime")
    try folder.copy(Repository.base("run-llama"), to: "path/to/model")
    try folder.copy(cases.appending("llama_lora"), to: "path/to/peft-adapter")
    try folder.copy(cases.appending("llama_rslora"), to: "path/to/other-adapter")
    try folder.write(
      Array(Self.tokenizer(try articleLetters()).utf8), to: "path/to/model/tokenizer.json")
    for (source, name) in [("llama_lora", "style"), ("llama_rslora", "tone")] {
      try adapter(["convert", cases.appending(source).string, "-o", "adapters/\(name).adp"])
    }
  }

  func appending(_ name: String) -> FilePath { folder.appending(name) }

  private func adapter(_ arguments: [String]) throws {
    let run = try Command.run(Command.adapter, arguments, folder: path)
    try #require(run.status == 0, "\(run.errors)")
  }

  /// Byte-level byte-pair encoding whose tokens are single letters.
  private static func tokenizer(_ letters: [Character]) -> String {
    let vocabulary = letters.enumerated().map { "\"\($1)\":\($0)" }.joined(separator: ",")
    return """
      {"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,\
      "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},\
      "post_processor":null,\
      "decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},\
      "model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,\
      "end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,\
      "vocab":{\(vocabulary)},"merges":[]}}
      """
  }
}
