import AdapterCommand
import Foundation
import Testing

/// What is in a page's text.
@Suite struct ReportTests {
  @Test(arguments: ReportSamples.all.map(\.name))
  func nothingIsLoadedAndNothingRuns(_ name: String) throws {
    let html = try #require(ReportSamples.all.first { $0.name == name }).page.html
    let tags = skeleton(html).split(separator: "<").dropFirst()
    let names = Set(tags.map { $0.prefix { !$0.isWhitespace && $0 != "/" && $0 != ">" } })
    #expect(names.isDisjoint(with: ["script", "img", "link", "iframe", "object", "embed", "base"]))
    #expect(names.contains("body") && tags.allSatisfy { !$0.contains(" src=") })
    // Quotes of names are escaped, so these are attributes.
    let links = html.components(separatedBy: "href=\"").dropFirst()
    #expect(links.allSatisfy { $0.hasPrefix("#") })
    #expect(!html.contains("@import") && !html.contains("url("))
    #expect(html.contains("content=\"default-src 'none'; style-src 'unsafe-inline';"))
  }

  @Test func aPageHasAllThatItWasGiven() throws {
    let html = ReportSamples.lora.html
    #expect(html.utf8.count < 250_000)
    for text in [
      "<h1>zephyr-support-lora.adp</h1>", "layer 21 was never trained", "id=\"findings\"",
      "id=\"maps\"", "id=\"curves-1\"", "id=\"sizes\"", "id=\"tables\"", "id=\"provenance\"",
      "<th scope=\"row\" class=\"c\">model.layers.21.self_attn.down_proj.lora_A.weight</th>",
      "<summary>154 rows<span class=\"unseen\"> of: Tensors</span></summary>",
    ] { #expect(html.contains(text), "\(text)") }
    #expect(html.components(separatedBy: "<svg ").count - 1 == 7)
    // 22 layers and 7 modules in two maps, each cell in one of the ten colours.
    #expect(html.components(separatedBy: "<td class=\"l").count - 1 == 2 * 22 * 7)
    #expect(html.components(separatedBy: "<path class=\"line\"").count - 1 == 22 * 7)
  }

  @Test func sectionsWithoutContentDoNotAppear() throws {
    let page = ReportPage(title: "a", command: "b", summary: "c")
    let html = page.html
    for text in ["<section", "<table", "<dl", "<li>", "<svg"] { #expect(!html.contains(text)) }
  }

  /// A name of a file never becomes markup, in text or in an attribute.
  @Test(arguments: ReportSamples.attacks)
  func namesStayNames(_ attack: String) throws {
    let harmless = String(repeating: "h", count: Shown(attack).description.count)
    let plain = pageOf(harmless).html
    let html = pageOf(attack).html
    // The same tags and attributes as for any name of this length.
    let isSame = skeleton(html) == skeleton(plain)
    #expect(isSame)
    for scalar in html.unicodeScalars where scalar != "\n" {
      #expect(![.control, .format, .lineSeparator].contains(scalar.properties.generalCategory))
    }
  }

  /// A mark that combines with a character of markup makes one grapheme of both.
  @Test func marksDoNotHideMarkup() {
    let page = ReportPage(title: "\"\u{301}", command: "<\u{338}b", summary: "\u{D4E}&")
    #expect(page.html.contains("&quot;\u{301}"))
    #expect(page.html.contains("&lt;\u{338}b"))
    #expect(page.html.contains("\u{D4E}&amp;") && !page.html.contains("\u{D4E}& "))
    let again = Shown(Shown("\u{202E}a").description)
    #expect(again.description == "\\u{202e}a")
  }

  private func pageOf(_ text: String) -> ReportPage {
    let name = Shown(text)
    var page = ReportPage(title: name, command: name, summary: name)
    page.facts = [Fact(name, name), Fact(name, name, style: .code)]
    page.findings = [Finding(.warning, name)]
    page.heatMaps = [
      HeatMap(
        caption: name, explanation: name, corner: name, columns: [name],
        rows: [.init(name, [.init(name, level: 3, detail: name)])],
        legend: .init(from: [name], to: name))
    ]
    page.plotGrids = [
      PlotGrid(
        heading: name, explanation: name, curveName: name, valueName: name, scale: .linear,
        plots: [(name, [Curve(name, [2, 1]), Curve(name, [2, 1])])])
    ]
    page.sizes = SizeBars(caption: name, [.init(name, amount: name, share: 0.5)])
    page.tables = [
      ReportTable(caption: name, remark: name, columns: [.init(name)], rows: [[name]], folds: true)
    ]
    page.provenance = [Fact(name, name)]
    return page
  }

  /// The page without what stands between tags and between quotes of their attributes, by scalars, as a
  /// browser reads it.
  private func skeleton(_ html: String) -> String {
    var result = ""
    var (isTag, isQuoted) = (false, false)
    for scalar in html.unicodeScalars {
      if isTag, scalar == "\"" { isQuoted.toggle() }
      if !isTag, scalar == "<" { isTag = true }
      if isTag, !isQuoted { result.unicodeScalars.append(scalar) }
      if isTag, !isQuoted, scalar == ">" { isTag = false }
    }
    return result
  }
}
