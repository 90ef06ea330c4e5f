internal import Mustache

/// A page about one adapter, or about two: one HTML file that needs no network, no script and no other
/// file. Numbers are formatted by who fills it; sections without content do not appear.
///
/// The templates read the stored properties by name (Templates/page.mustache is the outline). A name
/// that is nil where it is asked for is looked for further out, so optional ones are unique.
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
  ///
  /// - Throws: `ReportError` if a template of this program is broken.
  package func render() throws(ReportError) -> String {
    let library = try ReportTemplates.library.get()
    var page = self
    for index in page.plotGrids.indices { page.plotGrids[index].anchor = "curves-\(index + 1)" }
    let outline = Outline(page: page, hasLongTitle: title.count > 80, sections: page.sections)
    guard let text = library.render(outline, withTemplate: "page") else {
      throw .noTemplate("page")
    }
    return text
  }
}

extension ReportPage {
  /// What the outermost template is given.
  private struct Outline {
    let page: ReportPage
    let hasLongTitle: Bool
    let sections: [Section]
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
}
