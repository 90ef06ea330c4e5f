internal import AdapterFormat
internal import AdapterInsight
internal import AdapterInterop
internal import AdapterRuntime
internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// The output of `inspect` for adapters.
struct AdapterListing {
  let path: String
  /// The `.adp` file; nil of another format.
  let file: AdapterFile?
  /// The other format.
  let format: (any ForeignFormat)?
  let adapters: [InspectedAdapter]
  let details: Details

  /// The details that are shown on request.
  struct Details {
    var tensors = false
    var spectra = false
    var layers = false
    var digests = false
  }
}

// MARK: - Text

extension AdapterListing {
  /// The verdict first; then as much as a screen of so many rows has room for, and what was asked for.
  func text(isColoured: Bool, rows: Int) -> String {
    let pen = Pen(isColoured: isColoured)
    var lines: [String] = []
    if adapters.count > 1 {
      lines.append(pen.bold("\(name): \(adapters.count.of("adapter")), \(size)"))
    }
    for adapter in adapters {
      if !lines.isEmpty { lines.append("") }
      lines += head(adapter, pen)
    }
    if let file { lines += fileLines(file) }
    for adapter in adapters {
      let title = adapters.count > 1 ? ["", "adapter \(adapter.adapter.name)"] : []
      let more = detailLines(adapter, isColoured, room: rows - lines.count - 2)
      if !more.isEmpty { lines += title + more }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// The last part of the path.
  private var name: String {
    path.split(separator: "/").last.map { String($0).escaped } ?? path.escaped
  }

  /// How large it is: the file, or what the adapters' tensors take.
  private var size: String {
    ByteCount(file?.byteCount ?? adapters.reduce(0) { $0 + $1.adapter.storedByteCount })
      .description
  }

  /// An adapter in a dozen lines.
  private func head(_ inspected: InspectedAdapter, _ pen: Pen) -> [String] {
    let (headline, judgement) = (AdapterHeadline(inspected), AdapterJudgement(inspected))
    let title = adapters.count > 1 ? inspected.adapter.name.text.escaped : name
    let method = headline.method.escaped
    let end = adapters.count > 1 ? "" : ", \(size)"
    let first = "\(title)  \(method)\(end)"
    var lines =
      first.columnCount <= 80
      ? [pen.bold(title) + first.dropFirst(title.count)] : [pen.bold(title), "  \(method)\(end)"]
    if !judgement.holds.isEmpty {
      lines.append(pen.colored(32, "  ✔ ") + judgement.holds.joined(separator: ", "))
    }
    for (severity, sentence) in judgement.findings {
      for (index, line) in sentence.escaped.folded(to: 76).enumerated() {
        lines.append(
          (index == 0 ? pen.colored(severity.color, "  \(severity.mark) ") : "    ") + line)
      }
    }
    lines += fields([("on", headline.place), ("for", Self.forBase(inspected.adapter.base))])
    if let change = inspected.change {
      lines += fields([("base", "\(change.path.string): \(change.verdict.sentence)")])
    }
    lines += fields([
      ("changes", headline.change), ("trained", headline.training),
      ("holds", holds(inspected.inspection)), ("carries", Self.carried(inspected.adapter)),
      ("unused", unused(inspected.adapter)),
    ])
    for (index, command) in use(inspected.adapter).enumerated() {
      lines += fields([(index == 0 ? "use" : "", command)])
    }
    return lines
  }

  static func forBase(_ base: BaseRecord?) -> String {
    let name = [base?.name, base?.revision].compactMap { $0 }.joined(separator: " at ")
    let facts = [
      base?.architecture,
      base?.fingerprint.map { "fingerprint of \($0.tensors.count.of("tensor"))" }
        ?? "no fingerprint of it",
    ]
    return (name.isEmpty ? "a base that is not recorded" : name) + " ("
      + facts.compactMap(\.self).joined(separator: "; ") + ")"
  }

  private func holds(_ inspection: Inspection) -> String {
    "\(inspection.parameterCount.grouped) parameters in \(Self.tensors(inspection)), "
      + Self.size(inspection)
  }

  static func carried(_ adapter: Adapter) -> String? {
    let files = adapter.files.filter { $0.tensor != nil }
    guard !files.isEmpty else { return nil }
    return files.map { "\($0.path) \(ByteCount($0.size))" }.joined(separator: ", ")
  }

  private func unused(_ adapter: Adapter) -> String? {
    guard let first = adapter.inert.first else { return nil }
    return adapter.inert.count.of("tensor") + ", such as \(first.tensor): \(first.reason)"
  }

  /// The next commands that make sense.
  func use(_ adapter: Adapter) -> [String] {
    guard !adapter.operations.isEmpty else { return [] }
    let path = adapters.count > 1 ? "\(self.path)#\(adapter.name)" : self.path
    let verbs = adapter.onWeights.operations.isEmpty ? ["run"] : ["check", "merge"]
    return verbs.map { "adapter \($0) BASE \(path)" }
  }

  /// Metadata, and where they are asked for the digests.
  private func fileLines(_ file: AdapterFile) -> [String] {
    var lines = file.manifest.metadata.flatMap { $0.lines(width: 80) }
    guard details.digests else { return lines }
    lines += fields([("made by", file.manifest.generator), ("manifest", file.digest.description)])
    for adapter in adapters {
      lines += fields([
        (
          adapters.count > 1 ? adapter.adapter.name.text : "weights",
          adapter.inspection.weightsDigest?.description
        )
      ])
    }
    return lines
  }

  private func detailLines(
    _ inspected: InspectedAdapter, _ isColoured: Bool, room: Int
  ) -> [String] {
    let inspection = inspected.inspection
    var blocks: [[String]] = []
    let statistics = inspected.values?.statistics ?? []
    // Of one plain low-rank change the head has said all.
    let isPlain = inspection.groups.allSatisfy {
      $0.summary.rank != nil && $0.summary.traits.isEmpty
    }
    if inspection.groups.count > 1 || !isPlain || !statistics.joined().isEmpty {
      blocks.append(operationLines(inspection.groups))
      blocks.append(valueLines(inspection.groups, statistics))
    }
    let maps = inspected.maps.map { LayerMapText(map: $0, isColoured: isColoured).lines(indent: 2) }
    let used = blocks.reduce(0) { $0 + $1.count + 1 }
    if details.layers || maps.reduce(0, { $0 + $1.count + 1 }) + used <= room {
      blocks += maps
    } else if !maps.isEmpty, adapters.count == 1 {
      blocks.append(["  --layers shows the map of layers and modules"])
    }
    if details.spectra, let values = inspected.values {
      blocks.append(DetailTables.spectra(values.effects))
    }
    if details.tensors { blocks.append(DetailTables.tensors(inspected.adapter)) }
    return blocks.filter { !$0.isEmpty }.flatMap { [""] + $0 }
  }

  private func fields(_ fields: [(name: String, value: String?)]) -> [String] {
    fields.flatMap { name, value -> [String] in
      guard let value else { return [] }
      let label = name.escaped.cut(to: 8).padded(to: 9)
      return value.escaped.folded(to: 69).prefix(6).enumerated().map { index, line in
        "  " + (index == 0 ? label : String(repeating: " ", count: 9)) + line
      }
    }
  }

  /// `120 tensors of F32`.
  static func tensors(_ inspection: Inspection) -> String {
    let types = inspection.types.map(\.type.rawValue).joined(separator: ", ")
    return inspection.tensorCount.of("tensor") + (types.isEmpty ? "" : " of \(types)")
  }

  static func size(_ inspection: Inspection) -> String {
    let size = ByteCount(inspection.byteCount).description
    return inspection.storedByteCount.map { "\(size) stored in \(ByteCount($0))" } ?? size
  }

  static func operationRows(_ groups: [Inspection.OperationGroup]) -> [[String]] {
    groups.map { group in
      let leaves = group.targets.map { $0.leafModule.escaped }.unique.joined(separator: ", ")
      let traits = group.summary.traits.joined(separator: ", ").escaped
      return [
        group.op.escaped.cut(to: 24), group.summary.rank.map { "\($0)" } ?? "",
        group.summary.scale?.short ?? "", group.layout?.rawValue ?? "",
        group.targets.isEmpty ? "" : "\(group.targets.count)",
        [leaves, traits].filter { !$0.isEmpty }.joined(separator: "; "),
      ]
    }
  }

  private func operationLines(_ groups: [Inspection.OperationGroup]) -> [String] {
    guard !groups.isEmpty else { return [] }
    return TextColumn.table(
      [
        .init("operation"), .init("rank", .right), .init("scale", .right), .init("layout"),
        .init("targets", .right), .init("modules"),
      ], Self.operationRows(groups), indent: 2)
  }

  private func valueLines(
    _ groups: [Inspection.OperationGroup], _ statistics: [[ValueStatistics]]
  ) -> [String] {
    let rows = zip(groups, statistics).flatMap { group, all in
      all.map {
        [group.op, $0.quantity.words, $0.minimum.short, $0.mean.short, $0.maximum.short]
      }
    }
    guard !rows.isEmpty else { return [] }
    return TextColumn.table(
      [
        .init("operation"), .init("values"), .init("least", .right), .init("mean", .right),
        .init("greatest", .right),
      ], rows, indent: 2)
  }
}

extension ValueStatistics.Quantity {
  /// The name of the quantity, for people.
  fileprivate var words: String {
    switch self {
    case .distanceFromOne: "distance from 1"
    case .size: "size of the change"
    case .rowNorm: "norm of a row"
    case .keyNorm: "norm of a key"
    case .valueNorm: "norm of a value"
    }
  }
}

extension Warning {
  /// The warning for people.
  var sentence: String {
    let names = subjects.prefix(2).joined(separator: ", ")
    let rest = subjects.count > 2 ? " and \(subjects.count - 2) more" : ""
    return switch self {
    case .empty: "no operation: it does nothing"
    case .zeroChange: "no change (zeros, or factors of one): \(names)\(rest)"
    case .rankZero: "rank 0, no change: \(names)\(rest)"
    case .absurdScale(_, let scale): "a scale of \(scale.short) on \(names)\(rest): was it meant?"
    case .nonfinite: "NaN or infinity in \(names)\(rest)"
    case .unresolvedLayout: "stored transposed or not, decided at the base: \(names)\(rest)"
    case .source(let doubt): doubt.sentence
    case .unsupported: "cannot be applied by this version: \(names)\(rest)"
    @unknown default: code
    }
  }
}
