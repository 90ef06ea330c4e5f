import AdapterCommand
import Foundation
import SystemPackage
import TestSupport
import Testing

/// What a browser makes of it. Tests/Browser/check.html opens a page at 390 and at 1280 px and looks at
/// overflow, contrast of every text, headings, tables, regions, drawings and links.
@Suite(.enabled(if: Browser.path != nil, "needs chromium"), .serialized)
struct ReportInBrowserTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func browser(_ scheme: Browser.Scheme) throws -> Browser {
    Browser(program: try #require(Browser.path), folder: folder, scheme: scheme)
  }

  @Test(arguments: Browser.Scheme.allCases)
  func pagesHaveNoFaults(_ scheme: Browser.Scheme) throws {
    let paths = try ReportSamples.all.map { name, page in
      try folder.write(Array(page.html.utf8), to: "\(name).html")
    }
    let result = try browser(scheme).check(paths)
    #expect(result.status == 0 && !result.errors.contains("CONSOLE"), "\(result.errors)")
    let ground = scheme == .dark ? "rgb(18, 22, 27)" : "rgb(255, 255, 255)"
    #expect(verdict(result) == "no faults\nground \(ground), \(2 * paths.count) views\n")
  }

  /// Pages as the command itself writes them, of an adapter with every kind of figure and of prompts.
  @Test func pagesOfTheCommandHaveNoFaults() throws {
    let (lora, other) = (Repository.peft("gpt2_default"), Repository.peft("gpt2_all"))
    let base = Repository.base("tiny-gpt2").string
    let lines = [
      ["inspect", lora.string, "--base", base], ["inspect", Repository.peft("gpt2_prefix").string],
      ["diff", lora.string, other.string], ["diff", lora.string, other.string, "--base", base],
      ["diff", base, Repository.peft("gpt2_default").appending("merged.safetensors").string],
    ]
    let paths = try lines.enumerated().map { index, arguments in
      let path = folder.appending("\(index).html")
      let result = try Command.run(Command.adapter, arguments + ["--html", path.string])
      #expect(result.status < 2 && result.output.isEmpty, "\(result.errors)")
      return path
    }
    let result = try browser(.light).check(paths)
    #expect(result.status == 0 && !result.errors.contains("CONSOLE"), "\(result.errors)")
    #expect(verdict(result).hasPrefix("no faults\n"), "\(verdict(result))")
  }

  /// The checker does see what it looks for.
  @Test func faultsAreSeen() throws {
    let html = ReportSamples.lora.html
    let paths = try faults.enumerated().map { index, fault in
      let broken = html.replacingOccurrences(of: fault.text, with: fault.replacement)
      #expect(broken != html)
      return try folder.write(Array(broken.utf8), to: "\(index).html")
    }
    let result = try browser(.light).check(paths)
    for (index, fault) in faults.enumerated() {
      #expect(verdict(result).contains("\(index).html: \(fault.words)"), "\(verdict(result))")
    }
  }

  private let faults: [(text: String, replacement: String, words: String)] = [
    ("</main>", "<div style='width:2000px'>wide</div></main>", "2016 wide in 390"),
    ("<p class=\"summary\">", "<p style='color:#777;background:#888'>", "contrast 1."),
    ("<h2", "<h4", "a heading is skipped"), ("<h1", "<h2", "not one h1"),
    (" scope=\"row\"", "", "a table without caption or scopes"),
    (" tabindex=\"0\"", "", "a region that no key reaches"),
    ("<desc>", "<desc></desc><desc>", "a drawing without words"),
    ("id=\"maps\"", "id=\"map\"", "a link to nowhere"),
    ("id=\"sizes\"", "id=\"tables\"", "an id twice"),
    ("</main>", "<script></script></main>", "something that loads"),
    ("<h1>", "<h1 onclick='f()'>", "attribute onclick"),
  ]

  @Test func itLooksLikeSomethingInBothThemes() throws {
    let path = try folder.write(Array(ReportSamples.lora.html.utf8), to: "report.html")
    for (width, height) in [(390, 1600), (1280, 1600)] {
      var pictures: [[UInt8]] = []
      for scheme in Browser.Scheme.allCases {
        let (result, png) = try browser(scheme).picture(of: path, width: width, height: height)
        #expect(result.status == 0 && !result.errors.contains("CONSOLE"), "\(result.errors)")
        #expect(png.starts(with: [0x89, 0x50, 0x4E, 0x47]) && png.count > 60_000, "\(png.count)")
        let size = [16, 20].map { at in png[at..<at + 4].reduce(0) { $0 << 8 | Int($1) } }
        #expect(size == [width, height])
        pictures.append(png)
      }
      #expect(pictures[0] != pictures[1])
    }
  }

  private func verdict(_ result: CommandResult) -> String {
    result.output.components(separatedBy: "<pre>").last?.components(separatedBy: "</pre>").first
      ?? result.errors
  }
}
