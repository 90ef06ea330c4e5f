internal import AdapterInsight
internal import Operations
internal import StrictJSON

extension HeatMap {
  /// A map of layers and modules, coloured over its range.
  init(_ map: LayerMap, prefix: String = "") {
    self.init(
      caption: Shown(prefix + map.title), explanation: "Colours by difference.",
      corner: Shown(map.rowTitle), columns: map.columns.map { Shown($0) },
      rows: zip(map.rows, map.values).map { (label: Shown($0), values: $1) }, spacing: .linear)
  }
}

extension PlotGrid {
  /// More modules than these are not drawn: their numbers are in the table.
  private static let maximumPlots = 16
  private static let maximumValues = 64

  /// The singular values of every change, one plot for each module; nil where there are none.
  init?(spectraOf effects: AdapterEffects, prefix: String) {
    var curves: [String: [Curve]] = [:]
    var modules: [String] = []
    for effect in effects.targets {
      guard let name = effect.target,
        let spectrum = effect.measures.lazy.compactMap(\.spectrum).first, spectrum.spectralNorm > 0
      else { continue }
      let place = ParameterPlace(name)
      if curves[place.module] == nil { modules.append(place.module) }
      curves[place.module, default: []].append(
        Curve(
          Shown(place.layer.map { "\($0)" } ?? place.module),
          Array(spectrum.values.prefix(Self.maximumValues))))
    }
    guard !modules.isEmpty else { return nil }
    let shown = modules.prefix(Self.maximumPlots)
    self.init(
      heading: Shown(prefix + "Singular values"),
      explanation: """
        σ₁, σ₂, … of each change, on one logarithmic axis. A thin line is a layer, the bold one the \
        median.
        """,
      valueName: "σ", scale: .logarithmic,
      plots: zip(shown, Array(shown).shortened).map { module, label in
        (caption: Shown(label), curves: curves[module] ?? [])
      })
  }
}

extension ReportTable {
  /// A table of at most so many rows as a browser shows without delay; what is left out is said.
  init(caption: Shown, remark: String = "", columns: [Column], allRows rows: [[Shown]]) {
    let maximum = 2000
    let rest =
      rows.count > maximum
      ? "The first \(maximum.grouped) of \(rows.count.grouped); --json lists all." : ""
    let text = [remark, rest].filter { !$0.isEmpty }.joined(separator: " ")
    self.init(
      caption: caption, remark: text.isEmpty ? nil : Shown(text), columns: columns,
      rows: Array(rows.prefix(maximum)))
  }

  /// Norms and ranks of every change; nil where there are none.
  init?(spectraOf effects: AdapterEffects, prefix: String) {
    let rows = effects.targets.flatMap { effect in
      effect.measures.compactMap { measure -> [Shown]? in
        guard let spectrum = measure.spectrum, let name = effect.target else { return nil }
        return [
          Shown(name.text), Shown((measure.norm ?? .nan).short), Shown(spectrum.spectralNorm.short),
          Shown(measure.rank.map { "\($0)" } ?? ""), Shown(spectrum.effectiveRank.oneDecimal),
          Shown(spectrum.stableRank.oneDecimal), Shown("\(spectrum.rank(holding: 0.99))"),
        ]
      }
    }
    guard !rows.isEmpty else { return nil }
    self.init(
      caption: Shown(prefix + "Changes"),
      remark: """
        Effective rank: exp of the entropy of σ / Σσ. Stable rank: ‖ΔW‖² / σ₁². The last column: how many \
        σ hold 99 % of ‖ΔW‖².
        """,
      columns: [
        .init("weight", .code), .init("‖ΔW‖", .number), .init("σ₁", .number),
        .init("rank", .number), .init("effective", .number), .init("stable", .number),
        .init("99 %", .number),
      ], allRows: rows)
  }
}
