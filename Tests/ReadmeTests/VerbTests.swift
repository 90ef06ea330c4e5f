import SystemPackage
import TestSupport
import Testing

/// What lists the verbs of the command lists them all.
@Suite struct VerbTests {
  private func text(_ name: String) throws -> String {
    String(decoding: try Repository.root.pushing(FilePath(name)).contents, as: UTF8.self)
  }

  @Test func theReadmeShowsEveryVerb() throws {
    let lines = try readmeBlocks("sh").flatMap { $0.split(separator: "\n") }
    let shown = Set(
      lines.compactMap { $0.firstMatch(of: #/^adapter ([a-z]+) /#).map { String($0.1) } })
    #expect(shown == Set(try Help.subcommands))
  }

  /// `verify` writes JSON only of a merge.
  @Test func theReadmeNamesEveryVerbThatWritesJSON() throws {
    let sentence = try #require(
      try text("README.md").firstMatch(of: #/`--help`;\s([^;]*)\stake\s`--json`/#)
    ).1
    let named = sentence.matches(of: #/`([a-z]+)(?: --merge)?`/#).map { String($0.1) }
    #expect(Set(named) == Set(try Help.withJSON))
  }

  /// Each has its use in Spec/cli.md, and its documents where it writes JSON.
  @Test func theSpecificationNamesEveryVerb() throws {
    let text = try text("Spec/cli.md")
    for verb in try Help.subcommands {
      #expect(text.contains("`\(verb)`") || text.contains("`\(verb) "), "\(verb)")
    }
    let documented = text.matches(of: #/### `adapter\.[a-z-]+\/1` \(`adapter ([a-z]+) /#).map {
      String($0.1)
    }
    #expect(Set(documented) == Set(try Help.withJSON))
  }
}
