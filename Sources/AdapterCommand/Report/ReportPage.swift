/// A page about one adapter, or about two: one HTML file that needs no network, no script and no other
/// file. Numbers are formatted by who fills it; sections without content do not appear.
package struct ReportPage: Sendable {
  /// A file's name, or `X against Y`.
  package var title: Shown
  /// The command that was given: `adapter inspect`.
  package var command: Shown
  /// The answer in one sentence.
  package var summary: Shown
  /// The facts that a reader wants to know first.
  package var facts: [Fact] = []
  /// The findings that the reader should also know.
  package var findings: [Finding] = []
  /// Numbers by layer and module.
  package var heatMaps: [HeatMap] = []
  /// Small plots, one for each module.
  package var plotGrids: [PlotGrid] = []
  /// The size of each part.
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
    let (sections, ending) = (sections, ending)
    return """
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
      \(header(sections + ending))
      <main id="report" tabindex="-1">
      \(sections.map(\.markup))</main>
      <footer>
      \(ending.map(\.markup))</footer>
      </body>
      </html>

      """
  }

  private func header(_ sections: [PageSection]) -> HTML {
    """
    <header>
    <p class="command">\(command)</p>
    <h1\(HTML.when(title.count > 80, #" class="long""#))>\(title)</h1>
    <p class="summary">\(summary)</p>
    \(HTML.when(!facts.isEmpty, "\(Fact.list(facts))\n"))<nav aria-label="Sections">
    <ul>
    \(lines: sections.map(\.link))
    </ul>
    </nav>
    </header>
    """
  }

  /// Those of the body that have content, in their order.
  private var sections: [PageSection] {
    var all: [PageSection] = []
    if !findings.isEmpty {
      let list: HTML = """
        <ul class="findings">
        \(lines: findings.map(\.markup))
        </ul>
        """
      all.append(PageSection(anchor: "findings", heading: "Findings", content: list))
    }
    if !heatMaps.isEmpty {
      let maps: HTML = """
        <div class="maps">
        \(lines: heatMaps.map(\.markup))
        </div>
        """
      all.append(PageSection(anchor: "maps", heading: "By layer and module", content: maps))
    }
    all += plotGrids.map(\.section)
    if let sizes { all.append(sizes.section) }
    if !tables.isEmpty {
      let lists: HTML = "\(lines: tables.map(\.withHeading))"
      all.append(PageSection(anchor: "tables", heading: "Tables", content: lists))
    }
    return all
  }

  /// That of the footer, where it has content.
  private var ending: [PageSection] {
    provenance.isEmpty
      ? []
      : [
        PageSection(
          anchor: "provenance", heading: "Provenance", content: Fact.list(provenance))
      ]
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
