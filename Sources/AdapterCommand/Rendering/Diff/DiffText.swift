internal import AdapterInsight
internal import Operations
internal import StrictJSON

/// A comparison of adapters for people.
struct DiffText {
  private static let maximumRows = 20

  let diff: AdapterDiff
  let pen: Pen
  /// How many lines of maps there is room for.
  let room: Int

  var lines: [String] {
    var blocks: [[String]] = [["adapter \(diff.name): " + pen.bold(diff.sentence)]]
    blocks.append(diff.difference.fields.flatMap(\.lines))
    blocks.append(setLines)
    if [.differs, .undecided].contains(diff.verdict) {
      let maps = ([diff.map].compactMap(\.self) + diff.promptMaps).map {
        LayerMapText(map: $0, isColoured: pen.isColoured).lines(indent: 2)
      }
      let isShown = maps.reduce(0) { $0 + $1.count + 1 } <= room
      blocks += isShown ? maps : [["  --layers shows the map of layers and modules"]]
      blocks.append(Self.table(diff.rows))
    }
    if let weights = diff.total {
      blocks.append([
        "  all weights: ‖ΔX − ΔY‖ \(weights.distance.short), ‖ΔX‖ \(weights.leftNorm.short), "
          + "‖ΔY‖ \(weights.rightNorm.short)"
          + (weights.cosine.map { ", cosine \($0.short)" } ?? "")
      ])
    }
    return Array(blocks.filter { !$0.isEmpty }.joined(separator: [""]))
  }

  private var setLines: [String] {
    let sets: [(EffectComparison.Relation, String)] = [
      (.onlyLeft, "only in X"), (.onlyRight, "only in Y"),
      (.otherKind, "cannot be compared without their base (--base)"),
    ]
    return sets.flatMap { relation, title -> [String] in
      // The base has shown what these do.
      guard relation != .otherKind || diff.measurement == nil else { return [] }
      let names = diff.targets(relation)
      guard !names.isEmpty else { return [] }
      let shown = names.prefix(4).map { "    " + $0.escaped.cutStart(to: 76) }
      return ["  \(title): \(names.count.grouped)"] + shown
        + (names.count > 4 ? ["    and \((names.count - 4).grouped) more"] : [])
    }
  }

  /// The largest differences.
  static func table(_ rows: [DiffRow]) -> [String] {
    guard !rows.isEmpty else { return [] }
    let hasAngles = rows.contains { $0.part.outputAngles != nil }
    let columns: [TextColumn] =
      [
        .init("relative", .right), .init("distance", .right), .init("‖ΔX‖", .right),
        .init("‖ΔY‖", .right), .init("cosine", .right),
      ] + (hasAngles ? [.init("out", .right), .init("in", .right)] : []) + [
        .init("parameter", .tail)
      ]
    let lines = rows.prefix(maximumRows).map { row in
      let part = row.part
      let angles = [part.outputAngles, part.inputAngles].map { $0?.overlap.short ?? "" }
      return [
        part.relativeDistance.short, part.distance.short, part.leftNorm.short,
        part.rightNorm.short, part.cosine?.short ?? "",
      ] + (hasAngles ? angles : []) + [row.name.text.escaped]
    }
    let rest =
      rows.count > maximumRows ? ["  and \((rows.count - maximumRows).grouped) more"] : []
    return TextColumn.table(columns, lines, indent: 2) + rest
  }
}

extension AdapterDifference.Verdict {
  /// The verdict for people.
  var sentence: String {
    switch self {
    case .same: "the same adapter"
    case .sameWeights: "the same weights, other metadata"
    case .sameEffect: "the same effect, held differently"
    case .undecided: "undecided: only the base can show if they differ in effect (--base)"
    case .differs: "they differ"
    }
  }
}

extension FieldDifference {
  /// The difference for people: `scale 2 → 4 on 22 modules`.
  var sentence: String {
    let place: String? =
      switch area {
      case .operation, .adapter: nil
      case .base: "base"
      case .configuration: "config"
      case .metadata: "metadata"
      }
    let number = count.map { " on \($0.of("parameter"))" } ?? ""
    return [place, field, left ?? "none", "→", right ?? "none"].compactMap { $0 }
      .joined(separator: " ") + number
  }

  var lines: [String] {
    sentence.escaped.folded(to: 76).prefix(3).enumerated().map { ($0 == 0 ? "  " : "    ") + $1 }
  }
}
