import Foundation
import SystemPackage
import TestSupport
import Testing

/// A page at the top level, and what it says in the letters of code.
private struct Page {
  static let names = ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
  /// Words that stand for a name of the reader's own.
  private static let placeholders = ["NAME", "FORMAT", "TARGET", "SECONDS"]

  let text: String

  init(_ name: String) throws {
    text = String(decoding: try Repository.root.appending(name).contents, as: UTF8.self)
  }

  private var spans: [String] {
    let prose = text.replacing(#/(?s)```.*?```/#, with: "")
    return prose.matches(of: #/`([^`\n]+)`/#).map { String($0.1) }
  }

  /// What can be typed: code that begins with a program of ours or of Swift, without its comment.
  var commands: [[String]] {
    let blocks = text.matches(of: #/(?s)```sh\n(.*?)```/#).flatMap { $0.1.split(separator: "\n") }
    let typed = blocks.map(String.init) + spans.filter { $0.contains(" ") }
    return typed.map { line in
      let code = line.firstMatch(of: #/ +#/#).map { line[..<$0.range.lowerBound] } ?? line[...]
      return code.split(separator: " ").map(String.init)
        .filter { !$0.contains(#/^[A-Z_]+=/#) }
    }.filter { ["sh", "swift", "adapter"].contains($0.first) }
  }

  /// Paths in the checkout.
  var paths: [String] {
    (spans.filter { !$0.contains(" ") } + commands.flatMap { $0.dropFirst() }).filter {
      path in
      path.contains("/") && !path.hasPrefix(".build/")
        && !Self.placeholders.contains { path.contains($0) }
    }
  }

  var links: [String] {
    text.matches(of: #/\]\(([^)]+)\)/#).map { String($0.1) }.filter { !$0.contains("://") }
  }
}

/// The pages for who works on this.
@Suite struct PageTests {
  @Test(arguments: Page.names) func everyPathIsThere(_ name: String) throws {
    let page = try Page(name)
    for path in page.paths + page.links {
      #expect(Repository.root.pushing(FilePath(path)).exists, "\(path)")
    }
  }

  @Test(arguments: Page.names) func everyCommandIsThere(_ name: String) throws {
    let suites = try testSuites()
    for words in try Page(name).commands {
      let line = words.joined(separator: " ")
      switch words.first {
      case "sh": #expect(words.dropFirst().first?.hasPrefix(".ci/") == true, "\(line)")
      case "swift":
        #expect(["build", "test", "format"].contains(words.dropFirst().first), "\(line)")
      default:
        let verb = words.dropFirst().first ?? ""
        #expect(try verb.hasPrefix("--") || Help.subcommands.contains(verb), "\(line)")
      }
      if let place = words.firstIndex(of: "--filter") {
        #expect(suites.contains(words[place + 1]), "\(line)")
      }
    }
  }

  private func testSuites() throws -> Set<String> {
    let files = Repository.files(below: Repository.root.appending("Tests"), suffix: "Tests.swift")
    return Set(
      try files.flatMap { path in
        String(decoding: try path.contents, as: UTF8.self)
          .matches(of: #/struct (\w+Tests) /#).map { String($0.1) }
      })
  }

  /// A script or a switch that no page names is one that nobody finds.
  @Test func everyScriptAndSwitchIsNamed() throws {
    let text = try Page("CONTRIBUTING.md").text
    let folder = Repository.root.appending(".ci")
    for script in folder.names where folder.appending(script).names.isEmpty {
      #expect(text.contains("sh .ci/\(script)"), "\(script)")
    }
    for path in Repository.files(below: Repository.root.appending("Tests"), suffix: ".swift") {
      let source = String(decoding: try path.contents, as: UTF8.self)
      for use in source.matches(of: #/environment\["(ADAPTER_\w+)"\]/#) {
        #expect(text.contains("`\(use.1)") || text.contains("`\(use.1)="), "\(use.1)")
      }
    }
  }

  @Test func theMapHasEveryTarget() throws {
    let text = try Page("ARCHITECTURE.md").text
    #expect(text.count { $0 == "\n" } <= 150)
    let folders = try FileManager.default.contentsOfDirectory(
      atPath: Repository.root.appending("Sources").string)
    for folder in folders where !folder.hasSuffix(".docc") {
      #expect(text.contains("`\(folder)`"), "\(folder)")
    }
  }
}
