/// A page about one adapter, or about two: one HTML file that needs no network, no script and no other
/// file. Numbers are formatted by who fills it; sections without content do not appear.
package struct ReportPage: Sendable {
  /// A file's name, or `X against Y`.
  package var title: Shown
  /// What was asked: `adapter inspect`.
  package var command: Shown
  /// The answer in one sentence.
  package var summary: Shown
  /// What one wants to know first.
  package var facts: [Fact] = []
  /// What the reader should know besides.
  package var findings: [Finding] = []
  /// Numbers by layer and module.
  package var heatMaps: [HeatMap] = []
  /// Small plots, one for each module.
  package var plotGrids: [PlotGrid] = []
  /// What takes how much room.
  package var sizes: SizeBars?
  /// Lists.
  package var tables: [ReportTable] = []
  /// Where it all comes from.
  package var provenance: [Fact] = []

  /// A page without sections.
  ///
  /// - Parameters:
  ///   - title: A file's name, or `X against Y`.
  ///   - command: What was asked.
  ///   - summary: The answer in one sentence.
  package init(title: Shown, command: Shown, summary: Shown) {
    self.title = title
    self.command = command
    self.summary = summary
  }

  /// The page as HTML.
  package var html: String {
    var page = self
    for index in page.plotGrids.indices { page.plotGrids[index].anchor = "curves-\(index + 1)" }
    return page.markup.text
  }
}

extension ReportPage {
  private var markup: HTML {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
    img-src data:; base-uri 'none'; form-action 'none'">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>\(title) · \(command)</title>
    <style>
    \(HTML(style: PackageResources.style_css))</style>
    </head>
    <body>
    <a class="skip" href="#report">Skip to the report</a>
    \(header)
    <main id="report" tabindex="-1">
    \(findingList)\(maps)\(plotGrids.map(\.markup))\(HTML.with(sizes, \.markup))\(lists)</main>
    <footer>
    \(HTML.section(
        "provenance", "Provenance", if: !provenance.isEmpty, Fact.list(provenance)))</footer>
    </body>
    </html>

    """
  }

  private var header: HTML {
    """
    <header>
    <p class="command">\(command)</p>
    <h1\(HTML.when(title.count > 80, #" class="long""#))>\(title)</h1>
    <p class="summary">\(summary)</p>
    \(HTML.when(!facts.isEmpty, "\(Fact.list(facts))\n"))<nav aria-label="Sections">
    <ul>
    \(lines: sections.map { ##"<li><a href="#\##($0.anchor)">\##($0.heading)</a></li>"## })
    </ul>
    </nav>
    </header>
    """
  }

  private var findingList: HTML {
    .section(
      "findings", "Findings", if: !findings.isEmpty,
      """
      <ul class="findings">
      \(lines: findings.map(\.markup))
      </ul>
      """)
  }

  private var maps: HTML {
    .section(
      "maps", "By layer and module", if: !heatMaps.isEmpty,
      """
      <div class="maps">
      \(lines: heatMaps.map(\.markup))
      </div>
      """)
  }

  private var lists: HTML {
    .section("tables", "Tables", if: !tables.isEmpty, "\(lines: tables.map(\.withHeading))")
  }

  /// A section that is there, for the list of them.
  private struct Section {
    let anchor: String
    let heading: Shown
  }

  /// In the order of the page.
  private var sections: [Section] {
    var all: [Section] = []
    if !findings.isEmpty { all.append(Section(anchor: "findings", heading: "Findings")) }
    if !heatMaps.isEmpty { all.append(Section(anchor: "maps", heading: "By layer and module")) }
    all += plotGrids.map { Section(anchor: $0.anchor, heading: $0.heading) }
    if sizes != nil { all.append(Section(anchor: "sizes", heading: "Size by part")) }
    if !tables.isEmpty { all.append(Section(anchor: "tables", heading: "Tables")) }
    if !provenance.isEmpty { all.append(Section(anchor: "provenance", heading: "Provenance")) }
    return all
  }
}

/// A name and what it is: `rank`, `16`.
package struct Fact: Sendable {
  /// How the value is set.
  package enum Style: Sendable {
    /// As text.
    case text
    /// As code that may break anywhere: digests, names.
    case code
  }

  let label: Shown
  let value: Shown
  let isCode: Bool
  let isWide: Bool

  /// A fact.
  package init(_ label: Shown, _ value: Shown, style: Style = .text) {
    self.label = label
    self.value = value
    isCode = style == .code
    isWide = value.count > (style == .code ? 28 : 44)
  }

  private var markup: HTML {
    """
    <div\(HTML.when(isWide, #" class="wide""#))><dt>\(label)</dt>\
    <dd\(HTML.when(isCode, #" class="code""#))>\(value)</dd></div>
    """
  }

  /// Facts as a list of them.
  static func list(_ facts: [Fact]) -> HTML {
    """
    <dl class="facts">
    \(lines: facts.map(\.markup))
    </dl>
    """
  }
}

/// Something that the reader should know.
package struct Finding: Sendable {
  /// How much it matters.
  package enum Severity: Sendable {
    /// Good to know.
    case note
    /// Something may be wrong.
    case warning
  }

  let severity: Shown
  let isWarning: Bool
  let message: Shown

  /// A finding.
  package init(_ severity: Severity, _ message: Shown) {
    self.severity = severity == .warning ? "Warning" : "Note"
    isWarning = severity == .warning
    self.message = message
  }

  var markup: HTML {
    """
    <li\(HTML.when(isWarning, #" class="warning""#))><strong>\(severity)</strong> <span>\(message)</span></li>
    """
  }
}
