/// The sizes of the parts of a whole: a table with bars.
package struct SizeBars: Sendable {
  /// A part of the whole.
  package struct Bar: Sendable {
    let part: Shown
    let amount: Shown
    let share: Shown
    /// The share as CSS has it.
    let ratio: String

    /// A part.
    ///
    /// - Parameters:
    ///   - part: Its name.
    ///   - amount: Its size, formatted.
    ///   - share: Its share of the whole, 0 to 1.
    package init(_ part: Shown, amount: Shown, share: Double) {
      let share = share.isFinite ? min(max(share, 0), 1) : 0
      self.part = part
      self.amount = amount
      self.share = Shown("\((share * 100).short) %")
      ratio = "\((share * 10_000).rounded() / 10_000)"
    }
  }

  let caption: Shown
  let bars: [Bar]

  /// Parts of one whole.
  package init(caption: Shown, _ bars: [Bar]) {
    self.caption = caption
    self.bars = bars
  }

  var section: PageSection {
    PageSection(
      anchor: "sizes", heading: "Size by part",
      content: """
        <table class="sizes">
        <caption>\(caption)</caption>
        <thead><tr><th scope="col">part</th><th scope="col" class="n">size</th><th scope="col" class="share">share</th></tr></thead>
        <tbody>
        \(lines: bars.map(\.markup))
        </tbody>
        </table>
        """)
  }
}

extension SizeBars.Bar {
  fileprivate var markup: HTML {
    """
    <tr><th scope="row">\(part)</th><td class="n">\(amount)</td><td class="share"><span>\(share)</span>\
    <i style="--share:\(ratio)"></i></td></tr>
    """
  }
}
