import AdapterFormat
import AdapterInterop
import StrictJSON
import Testing

/// The part of YAML that is read of a model card, and that the rest of it is left alone.
@Suite struct FrontMatterTests {
  private func value(_ text: String) -> FrontMatter.Value? {
    FrontMatter(Array("---\nkey: \(text)\n---\n".utf8))?.fields.first?.value
  }

  @Test(arguments: [
    ("mit", "mit"), ("two words", "two words"), ("a # comment", "a"), ("a#b", "a#b"),
    ("\"a: b\"", "a: b"), ("'it''s'", "it's"), (#""a \"b\" \\ c""#, #"a "b" \ c"#),
    ("\"a\"  # comment", "a"), ("  spaces  ", "spaces"), ("a:b", "a:b"), ("-a", "-a"),
  ])
  func aTextIsRead(_ source: String, _ text: String) {
    #expect(value(source) == .text(text))
  }

  @Test(
    arguments: [
      ("[]", []), ("[a, b]", ["a", "b"]), ("[\"a, b\", 'c']", ["a, b", "c"]), ("[a,]", ["a"]),
      ("\n- a\n- b", ["a", "b"]), ("\n  - a\n\n  # remark\n  - \"b\"", ["a", "b"]), ("", []),
    ] as [(String, [String])])
  func aListIsRead(_ source: String, _ items: [String]) {
    #expect(value(source) == .list(items))
  }

  @Test(arguments: [
    "{a: b}", "&a b", "*a", "!!str a", "|", ">-", "a: b", "\"open", "'open", #""\x41""#, "[a, [b]]",
    "[a", "~", "null", "%a", "@a", "\n  a: b", "\n- a: b", "\n- a\n  b", "a\n  b", "\n-", "\"a\" b",
    "[a]b", "- a", "a:", "a\u{7}b",
  ])
  func whatIsNotReadLeavesItsKeyWithoutAValue(_ source: String) {
    #expect(value(source) == .other, "\(source)")
  }

  @Test(arguments: [
    "", "---", "---\na: b", "a: b\n---\n", "--- \u{A0}\n---\n", " ---\na: b\n---\n", "----\n---\n",
  ])
  func aCardWithoutFrontMatterHasNone(_ card: String) {
    #expect(FrontMatter(Array(card.utf8)) == nil)
  }

  @Test func marksAndLineEndsOfOtherSystemsAreRead() {
    let card = Array("\u{FEFF}---\r\nlicense: mit\r\ntags:\r\n- a\r\n---\r\ntext".utf8)
    let fields = FrontMatter(card)?.fields
    #expect(fields?.map(\.key) == ["license", "tags"])
    #expect(fields?.map(\.value) == [.text("mit"), .list(["a"])])
    #expect(FrontMatter([0x2D, 0x2D, 0x2D, 0x0A, 0xFF, 0x0A, 0x2D, 0x2D, 0x2D]) == nil)
  }

  /// It takes no more than the length of what is looked at.
  @Test func aLongCardIsLookedAtInPart() {
    let rows = Array(repeating: "- x\n", count: 100_000).joined()
    #expect(FrontMatter(Array("---\ntags:\n\(rows)---\n".utf8)) == nil)
    let text = "---\nlicense: mit\n---\n\(rows)"
    #expect(FrontMatter(Array(text.utf8))?.fields.count == 1)
  }

  @Test func whatACardSaysIsCalledAsWeCallIt() {
    let card = """
      ---
      license: Apache-2.0
      license: mit
      base_model: [example/base]
      model_name: Sonnets
      instance_prompt: in verse
      tags: [base_model:adapter:x, "a, b", poetry]
      language:
      - {a: b}
      other: x
      ---
      """
    let metadata = CardMetadata(card: Array(card.utf8))
    #expect(
      metadata.entries.map { "\($0.key)=\($0.value)" } == [
        "license=apache-2.0", "title=Sonnets", "trigger_phrase=in verse", "tags=poetry",
      ])
    #expect(metadata.baseName == "example/base")
    #expect(metadata.notes.count == 1 && metadata.notes[0].contains("language"))
  }

  @Test(arguments: ["/home/me/base", "./base", "[a/b, c/d]", "a/b/c", "C:\\base"])
  func noPathAndNoneOfSeveralIsTheBase(_ base: String) {
    let card = Array("---\nbase_model: \(base)\nlicense: my own\n---\n".utf8)
    let metadata = CardMetadata(card: card)
    #expect(metadata.baseName == nil)
    #expect(metadata.entries.isEmpty)
    #expect(metadata.notes.contains { $0.contains("my own") })
  }
}
