internal import AdapterFormat
internal import AdapterInsight
internal import AdapterInterop
internal import AdapterRuntime
internal import Operations
internal import Storage
internal import StrictJSON

/// What `inspect` shows of adapters.
struct AdapterListing {
  let path: String
  /// The `.adp` file; nil of another format.
  let file: AdapterFile?
  /// The other format.
  let format: (any ForeignFormat)?
  let adapters: [InspectedAdapter]
  let details: Details

  /// What is shown besides, because it was asked for.
  struct Details {
    var tensors = false
    var spectra = false
  }
}

// MARK: - Text

extension AdapterListing {
  func text(isColoured: Bool) -> String {
    var lines: [String] = []
    if let file {
      lines.append(
        "\(path.escaped): \(adapters.count.of("adapter")), \(ByteCount(file.byteCount))")
      lines.append(field("manifest", file.digest.description))
      if let generator = file.manifest.generator { lines.append(field("made by", generator)) }
      lines += file.manifest.metadata.flatMap { $0.lines(width: 80) }
    } else if let format {
      lines.append("\(path.escaped): \(format.title)")
    }
    for adapter in adapters { lines += [""] + text(adapter, isColoured) }
    return lines.joined(separator: "\n") + "\n"
  }

  private func text(_ inspected: InspectedAdapter, _ isColoured: Bool) -> [String] {
    let (adapter, inspection) = (inspected.adapter, inspected.inspection)
    var blocks = [headLines(inspection)]
    blocks.append(operationLines(inspection.groups))
    if let values = inspected.values {
      blocks.append(valueLines(inspection.groups, values.statistics))
      blocks += inspected.maps.map {
        LayerMapText(map: $0, isColoured: isColoured).lines(indent: 2)
      }
      if details.spectra { blocks.append(DetailTables.spectra(values.effects)) }
    }
    if details.tensors { blocks.append(DetailTables.tensors(adapter)) }
    blocks.append(remarkLines(inspected))
    return Array(blocks.filter { !$0.isEmpty }.joined(separator: [""]))
  }

  private func headLines(_ inspection: Inspection) -> [String] {
    let adapter = inspection.adapter
    var lines = ["adapter \(adapter.name)", field("method", adapter.method)]
    lines += baseLines(adapter.base)
    let types = inspection.types.map { "\($0.type.rawValue)" }.joined(separator: ", ")
    lines.append(
      field(
        "parameters",
        "\(inspection.parameterCount.grouped) in \(inspection.tensorCount.of("tensor"))"
          + (types.isEmpty ? "" : " of \(types)")))
    lines.append(field("size", Self.size(inspection)))
    if let digest = inspection.weightsDigest { lines.append(field("weights", digest.description)) }
    if let source = adapter.source { lines.append(field("source", source.format)) }
    if !adapter.inert.isEmpty { lines.append(field("inert", adapter.inert.count.of("tensor"))) }
    return lines
  }

  /// Warnings, and what the numbers show.
  private func remarkLines(_ inspected: InspectedAdapter) -> [String] {
    let remarks =
      inspected.inspection.warnings.map { ("warning: ", $0.sentence) }
      + (inspected.values?.findings ?? []).map { ("note: ", $0.sentence) }
      + (inspected.change.map { [("base: ", $0.verdict.sentence)] } ?? [])
    return remarks.flatMap { kind, sentence in
      sentence.escaped.folded(to: 78 - kind.count).enumerated().map { index, line in
        "  " + (index == 0 ? kind : String(repeating: " ", count: kind.count)) + line
      }
    }
  }

  private func baseLines(_ base: BaseRecord?) -> [String] {
    var lines: [String] = []
    let name = [base?.name, base?.revision].compactMap { $0 }.joined(separator: " at ")
    lines.append(field("base", name.isEmpty ? "not recorded" : name))
    if let architecture = base?.architecture { lines.append(field("", architecture)) }
    lines.append(
      field(
        "",
        base?.fingerprint.map { "fingerprint of \($0.tensors.count.of("tensor"))" }
          ?? "no fingerprint: trusted by name only"))
    return lines
  }

  static func size(_ inspection: Inspection) -> String {
    guard let stored = inspection.storedByteCount, inspection.byteCount > 0 else {
      return ByteCount(inspection.byteCount).description
    }
    let share = Double(stored) / Double(inspection.byteCount) * 100
    return "\(ByteCount(stored)) for \(ByteCount(inspection.byteCount)) (\(share.short) %)"
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

  private func field(_ name: String, _ value: String) -> String {
    let text = "  \(name.escaped.cut(to: 11).padded(to: 12))\(value.escaped)"
    return text.cut(to: 80)
  }
}

extension Name {
  /// The last part of the module's name: `q_proj` of `model.layers.0.self_attn.q_proj.weight`.
  fileprivate var leafModule: String {
    text.split(separator: ".").dropLast().last.map(String.init) ?? text
  }
}

extension [String] {
  /// Each once, in the order of first appearance.
  fileprivate var unique: [String] {
    var seen = Set<String>()
    return filter { seen.insert($0).inserted }
  }
}

extension ValueStatistics.Quantity {
  /// What was measured, for people.
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
