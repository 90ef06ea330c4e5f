internal import AdapterInsight
internal import Operations
internal import StrictJSON

/// The page of `diff --html`.
struct DiffReport {
  private let diff: SideDiff

  init(_ diff: SideDiff) {
    self.diff = diff
  }

  var page: ReportPage {
    var page = ReportPage(
      title: Shown("\(diff.left) against \(diff.right)"), command: "adapter diff",
      summary: Shown(
        diff.sentence.prefix(1).uppercased() + diff.sentence.dropFirst() + "."))
    page.facts = [
      Fact("X", Shown(diff.left), style: .code), Fact("Y", Shown(diff.right), style: .code),
      Fact("tolerance", Shown(diff.tolerance.short)),
    ]
    for (names, side) in [(diff.onlyLeft, "X"), (diff.onlyRight, "Y")] where !names.isEmpty {
      page.findings.append(
        Finding(
          .warning, Shown("only in \(side): " + names.map(\.text).joined(separator: ", "))))
    }
    page.provenance = diff.file.map {
      Fact(Shown($0.field), Shown("\($0.left ?? "none") → \($0.right ?? "none")"))
    }
    for adapter in diff.diffs { add(adapter, to: &page) }
    return page
  }

  private func add(_ adapter: AdapterDiff, to page: inout ReportPage) {
    let prefix = diff.diffs.count > 1 ? "\(adapter.name): " : ""
    if diff.diffs.count > 1 {
      page.findings.append(Finding(.note, Shown(prefix + adapter.sentence)))
    }
    if let weights = adapter.total {
      page.facts += [
        Fact(Shown(prefix + "‖ΔX − ΔY‖"), Shown(weights.distance.short)),
        Fact("‖ΔX‖, ‖ΔY‖", Shown("\(weights.leftNorm.short), \(weights.rightNorm.short)")),
      ]
      if let cosine = weights.cosine { page.facts.append(Fact("cosine", Shown(cosine.short))) }
    }
    page.heatMaps += ([adapter.map].compactMap { $0 } + adapter.promptMaps).map {
      HeatMap($0, prefix: prefix)
    }
    page.tables += [
      fields(adapter, prefix), sets(adapter, prefix), uncompared(adapter, prefix),
      rows(adapter, prefix),
    ].compactMap(\.self)
  }

  private func fields(_ adapter: AdapterDiff, _ prefix: String) -> ReportTable? {
    let fields = adapter.difference.fields
    guard !fields.isEmpty else { return nil }
    return ReportTable(
      caption: Shown(prefix + "Different settings"),
      columns: [
        .init("of"), .init("field", .code), .init("X", .code), .init("Y", .code),
        .init("parameters", .number),
      ],
      rows: fields.map { field in
        [
          Shown(field.area.rawValue), Shown(field.field), Shown(field.left ?? "none"),
          Shown(field.right ?? "none"), Shown(field.count.map { "\($0)" } ?? ""),
        ]
      })
  }

  private func sets(_ adapter: AdapterDiff, _ prefix: String) -> ReportTable? {
    let relations: [(EffectComparison.Relation, String)] = [
      (.onlyLeft, "only in X"), (.onlyRight, "only in Y"),
    ]
    let rows = relations.flatMap { relation, words in
      adapter.targets(relation).map { [Shown($0), Shown(words)] }
    }
    guard !rows.isEmpty else { return nil }
    return ReportTable(
      caption: Shown(prefix + "Parameters that are not in both"),
      columns: [.init("parameter", .code), .init("where")], allRows: rows)
  }

  private func uncompared(_ adapter: AdapterDiff, _ prefix: String) -> ReportTable? {
    let rows = adapter.targets(.otherKind).map { [Shown($0)] }
    guard !rows.isEmpty, adapter.measurement == nil else { return nil }
    return ReportTable(
      caption: Shown(prefix + "Parameters that only a base can compare (--base)"),
      columns: [.init("parameter", .code)], allRows: rows)
  }

  private func rows(_ adapter: AdapterDiff, _ prefix: String) -> ReportTable? {
    let rows = adapter.rows
    guard !rows.isEmpty else { return nil }
    return ReportTable(
      caption: Shown(prefix + "Largest differences"),
      remark:
        "Overlap: of the outputs and of the inputs that both use, where angles were asked for.",
      columns: [
        .init("parameter", .code), .init("relative", .number), .init("distance", .number),
        .init("‖ΔX‖", .number), .init("‖ΔY‖", .number), .init("cosine", .number),
        .init("overlap", .number),
      ],
      allRows: rows.map { row in
        let part = row.part
        let overlaps = [part.outputAngles, part.inputAngles].compactMap { $0?.overlap.short }
        return [
          Shown(row.name.text), Shown(part.relativeDistance.short), Shown(part.distance.short),
          Shown(part.leftNorm.short), Shown(part.rightNorm.short),
          Shown(part.cosine?.short ?? ""), Shown(overlaps.joined(separator: ", ")),
        ]
      })
  }
}

extension CheckpointDiff {
  /// The page of two checkpoints.
  var page: ReportPage {
    var page = ReportPage(
      title: Shown("\(left) against \(right)"), command: "adapter diff",
      summary: isSame ? "They are the same, up to the tolerance." : "They differ.")
    page.facts =
      [Fact("X", Shown(left), style: .code), Fact("Y", Shown(right), style: .code)]
      + counts.map { Fact(Shown($0.kind.words), Shown($0.count.of("tensor"))) }
    if let map { page.heatMaps = [HeatMap(map)] }
    if !rows.isEmpty {
      page.tables = [
        ReportTable(
          caption: "Changed tensors",
          columns: [
            .init("relative", .number), .init("‖X − Y‖", .number), .init("largest", .number),
            .init("elements", .number), .init("tensor", .code),
          ], allRows: cells.map { $0.map { Shown($0) } })
      ]
    }
    return page
  }
}
