import Foundation
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Model cards, and what of a card goes into the metadata.
@Suite struct CardTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func run(_ arguments: String...) throws -> CommandResult {
    try Command.run(Command.adapter, arguments, folder: folder.path)
  }

  private func file(_ name: String = "lora.adp", _ arguments: String...) throws {
    let result = try Command.run(
      Command.adapter,
      ["convert", Repository.peft("gpt2_default").string, "-o", name] + arguments,
      folder: folder.path)
    #expect(result.status == 0, "\(result.errors)")
  }

  @Test(arguments: Repository.peftCases)
  func everyAdapterHasACardThatYAMLReads(_ name: String) throws {
    // FourierFT needs the shapes of its base.
    let base =
      name.hasPrefix("fourierft")
      ? [
        "--base", Repository.base(name.hasSuffix("gpt2") ? "tiny-gpt2-16" : "tiny-llama-16").string,
      ] : []
    let result = try Command.run(Command.adapter, ["card", Repository.peft(name).string] + base)
    #expect(result.status == 0, "\(result.errors)")
    guard let fields = try frontMatter(of: result.output) else { return }
    #expect(fields["library_name"] as? String == "peft")
    #expect((fields["tags"] as? [String])?.isEmpty == false)
    if fields["base_model"] != nil {
      #expect(fields["base_model_relation"] as? String == "adapter")
    }
    #expect(result.output.contains("\n| method | "))
  }

  /// Texts that try to end the front matter, the table, a heading or a block of code.
  private static let hostile = [
    "---", "a: b", "\"", "'", "\\", "x # y", "[a]", "{a: b}", "- a", "*a", "&a", "!!str a", "no",
    "1e5", "null", "~", "a\n---\nb: c", "a\u{85}b", "a\u{2028}b", "\u{202E}a", "| a | b |",
    "```\nrm", "<script>alert(1)</script>", "[a](javascript:b)", "$(id)", "`id`", "a\r\nb", "é",
    "# a", "1. a", "=====", "    a", "%a", "@a", "\u{FEFF}a", "\t",
  ]

  @Test(arguments: hostile)
  func noTextOfAFileIsMoreThanAText(_ text: String) throws {
    try file()
    let packed = try run(
      "pack", "lora.adp", "-o", "named.adp", "--base-name=b\(text.filter { $0 != "/" })",
      "--title=\(text)", "--description=\(text)", "--author=\(text)", "--trigger-phrase=\(text)",
      "--set=library_name=\(text)", "--set=license_name=\(text)", "--set=pipeline_tag=\(text)")
    #expect(packed.status == 0, "\(packed.errors)")
    let card = try run("card", "named.adp")
    #expect(card.status == 0, "\(card.errors)")
    guard let fields = try frontMatter(of: card.output) else { return }
    for key in ["library_name", "pipeline_tag", "instance_prompt"] {
      let value = fields[key] as? String
      #expect(value.map { Name($0) } == Name(text), "\(key): \(card.output)")
    }
    #expect(Set(fields.keys).isSubset(of: Self.keys), "\(fields.keys)")
    let lines = card.output.components(separatedBy: "\n")
    #expect(lines.filter { $0 == "---" }.count == 2)
    #expect(lines.filter { $0.hasPrefix("# ") }.count == 1)
    #expect(lines.filter { $0.hasPrefix("```") }.count == 4)
    let body = lines.drop { $0 != "---" }.dropFirst().drop { $0 != "---" }
    #expect(!body.contains { $0.contains(#/[^\\]</#) })
    for scalar in card.output.unicodeScalars where scalar != "\n" {
      #expect(scalar.properties.generalCategory != .control)
      #expect(scalar.properties.generalCategory != .format)
    }
    // Of a row, two cells.
    let rows = lines.filter { $0.hasPrefix("|") }.map { $0.replacing("\\|", with: "") }
    #expect(rows.allSatisfy { row in row.count(where: { $0 == "|" }) == 3 }, "\(rows)")
  }

  private static let keys: Set<String> = [
    "base_model", "base_model_relation", "library_name", "license", "license_name",
    "pipeline_tag", "tags", "instance_prompt",
  ]

  @Test func aReadmeGoesIntoTheMetadataAndComesBack() throws {
    try folder.copy(Repository.peft("gpt2_default"), to: "mine")
    let readme = """
      ---
      license: Apache-2.0
      tags: [poetry, 'base_model:adapter:x', "two words"]
      language: de
      datasets:
        - example/verse
      pipeline_tag: text-generation
      widget:
        - text: a
      title: not a key of the Hub
      description: |
        several
      ---
      Text.
      """
    try folder.write(Array(readme.utf8), to: "mine/README.md")
    let converted = try run("convert", "mine", "-o", "mine.adp")
    #expect(converted.status == 0, "\(converted.errors)")
    let inspected = try run("inspect", "mine.adp", "--summary", "--json")
    for line in [
      #""license": "apache-2.0""#, #""tags": "poetry, two words""#, #""language": "de""#,
      #""datasets": "example/verse""#, #""pipeline_tag": "text-generation""#,
    ] {
      #expect(inspected.output.contains(line), "\(line): \(inspected.output)")
    }
    guard let fields = try frontMatter(of: run("card", "mine.adp").output) else { return }
    #expect(fields["tags"] as? [String] == ["poetry", "two words", "lora"])
    #expect(fields["license"] as? String == "apache-2.0")
    #expect(try run("convert", "mine.adp", "-o", "back").status == 0)
    #expect(try folder.appending("back/README.md").contents == Array(readme.utf8))
  }

  @Test func aPathIsNoName() throws {
    try folder.copy(Repository.peft("gpt2_default"), to: "mine")
    try folder.edit("mine/adapter_config.json", "fixtures/tiny-gpt2", "/home/me/gpt2")
    let silent = try run("convert", "mine", "-o", "a.adp")
    #expect(silent.errors.contains("adapter: warning: the base is recorded as /home/me/gpt2"))
    #expect(silent.errors.contains("--base-name"))
    #expect(!(try run("card", "a.adp").output.contains("base_model")))
    try folder.copy(Repository.base("tiny-gpt2"), to: "base")
    try folder.edit("base/config.json", "{", "{\"_name_or_path\": \"example/own\",")
    let own = try run("convert", "mine", "-o", "b.adp", "--base", "base")
    #expect(own.errors.contains("note: the base is called example/own"), "\(own.errors)")
    try folder.write(Array("---\nbase_model: example/card\n---\n".utf8), to: "mine/README.md")
    let card = try run("convert", "mine", "-o", "c.adp", "--base", "base")
    #expect(card.errors.contains("note: the base is called example/card"), "\(card.errors)")
    let given = try run("convert", "mine", "-o", "d.adp", "--base-name", "example/given")
    #expect(given.status == 0 && !given.errors.contains("the base is"), "\(given.errors)")
    let fields = try frontMatter(of: run("card", "d.adp").output)
    #expect(fields == nil || fields?["base_model"] as? String == "example/given")
  }

  @Test(
    arguments: [
      ("MIT", "mit", nil), ("llama3", "llama3", nil), ("CC-BY-NC-4.0", "cc-by-nc-4.0", nil),
      ("other", "other", nil), ("0BSD", "other", "0bsd"), ("LicenseRef-Mine", "other", "Mine"),
    ] as [(String, String, String?)])
  func aLicenceIsOneThatTheHubTakes(_ given: String, _ license: String, _ name: String?) throws {
    try file()
    #expect(try run("pack", "lora.adp", "-o", "x.adp", "--license", given).status == 0)
    guard let fields = try frontMatter(of: run("card", "x.adp").output) else { return }
    #expect(fields["license"] as? String == license)
    #expect(fields["license_name"] as? String == name)
  }

  @Test(arguments: [
    ("apache2", "apache-2.0"), ("apache", "apache-2.0"), ("llama-3", "llama3"), ("MTI", "mit"),
    ("cc-by-nc", "cc-by-nc-4.0"), ("LicenseRef-", "other"), ("", "other"), ("a b", "other"),
  ])
  func anotherLicenceIsWrongUsage(_ given: String, _ says: String) throws {
    try file()
    let result = try run("pack", "lora.adp", "-o", "x.adp", "--license", given)
    #expect(result.status == 64)
    #expect(result.errors.contains(says), "\(result.errors)")
    #expect(!folder.appending("x.adp").exists)
  }

  @Test func aMergedFolderSaysWhatItIsMadeOf() throws {
    try file("lora.adp", "--base", Repository.base("tiny-gpt2").string, "--base-name", "gpt2")
    try folder.copy(Repository.base("tiny-gpt2"), to: "base")
    #expect(try run("merge", "base", "lora.adp:0.5", "-o", "merged").status == 0)
    let card = String(
      decoding: try folder.appending("merged/README.md").contents, as: UTF8.self)
    let fields = try frontMatter(of: card)
    #expect(fields == nil || fields?["base_model"] as? String == "gpt2")
    #expect(card.contains("| lora.adp | `lora` | 0.5 |"), "\(card)")
    #expect(try run("verify", "--merge", "base", "lora.adp:0.5", "merged").status == 0)
    #expect(try run("merge", "base", "lora.adp", "-o", "bare", "--no-card").status == 0)
    #expect(!folder.appending("bare/README.md").exists)
    // A second merge tells of both; one that is taken back, of none.
    #expect(
      try run(
        "merge", "merged", "lora.adp:0.25", "-o", "both", "--undo", "undo.adp",
        "--allow-other-base=targets"
      ).status == 0)
    let both = String(decoding: try folder.appending("both/README.md").contents, as: UTF8.self)
    for weight in ["0.5", "0.25"] { #expect(both.contains("| lora.adp | `lora` | \(weight) |")) }
    #expect(both.contains("with 2 adapters"))
    #expect(try run("merge", "both", "undo.adp", "-o", "back").status == 0)
    #expect(!folder.appending("back/README.md").exists)
    try folder.write(Array("Mine.".utf8), to: "base/README.md")
    #expect(try run("merge", "base", "lora.adp", "-o", "kept").status == 0)
    #expect(try folder.appending("kept/README.md").contents == Array("Mine.".utf8))
  }

  /// The front matter of a card as Python's YAML reads it; where that is not at hand, it is only looked at, and nil is
  /// returned.
  private func frontMatter(of card: String) throws -> [String: Any]? {
    #expect(card.hasPrefix("---\n"))
    let path = try folder.write(Array(card.utf8), to: "card.md")
    let program = """
      import json, sys, yaml
      text = open(sys.argv[1], encoding="utf-8", newline="").read()
      end = text.index("\\n---\\n", 3)
      print(json.dumps(yaml.safe_load(text[4:end + 1])))
      """
    let python = try Command.run("/usr/bin/env", ["python3", "-c", "import yaml"])
    guard python.status == 0 else {
      for line in card.split(separator: "\n").dropFirst().prefix(while: { $0 != "---" }) {
        let scalar = #"([A-Za-z][A-Za-z0-9._/-]*|"([^"\\]|\\.)*")"#
        #expect(line.wholeMatch(of: try Regex("([a-z_]+:( \(scalar))?|- \(scalar))")) != nil)
      }
      return nil
    }
    let read = try Command.run("/usr/bin/env", ["python3", "-c", program, path.string])
    #expect(read.status == 0, "\(read.errors)\(card)")
    return try JSONSerialization.jsonObject(with: Data(read.output.utf8)) as? [String: Any]
  }
}
