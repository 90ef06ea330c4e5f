internal import AdapterFormat
internal import AdapterMath
internal import Adapters
internal import Storage
internal import StrictJSON

/// What `inspect` shows of adapters.
struct AdapterListing {
  let path: String
  let file: AdapterFile?
  let adapters: [Adapter]

  /// What each group's values are like.
  func statistics(
    _ inspection: Inspection
  ) throws(FormatError) -> [[ValueStatistics]] {
    var all: [[ValueStatistics]] = []
    for group in inspection.groups {
      all.append(try ValueStatistics.all(of: group.operations, in: inspection.adapter))
    }
    return all
  }

  func inspections() throws(FormatError) -> [Inspection] {
    var inspections: [Inspection] = []
    for adapter in adapters { inspections.append(try Inspection(adapter)) }
    return inspections
  }
}

// MARK: - Text

extension AdapterListing {
  func text(_ inspections: [Inspection]) throws(FormatError) -> String {
    var lines: [String] = []
    if let file {
      lines.append(
        "\(path.escaped): \(adapters.count.of("adapter")), \(ByteCount(file.byteCount))")
      lines.append(field("manifest", file.digest.description))
      if let generator = file.manifest.generator { lines.append(field("made by", generator)) }
      lines += file.manifest.metadata.flatMap { $0.lines(width: 80) }
    } else {
      lines.append("\(path.escaped): a PEFT folder")
    }
    for inspection in inspections { lines += [""] + (try text(inspection)) }
    return lines.joined(separator: "\n") + "\n"
  }

  private func text(_ inspection: Inspection) throws(FormatError) -> [String] {
    let adapter = inspection.adapter
    var lines = ["adapter \(adapter.name)", field("method", adapter.method)]
    lines += baseLines(adapter.base)
    let types = inspection.types.map { "\($0.type.rawValue)" }.joined(separator: ", ")
    lines.append(
      field(
        "parameters",
        "\(inspection.parameterCount.grouped) in \(adapter.tensors.count.of("tensor"))"
          + (types.isEmpty ? "" : " of \(types)")))
    lines.append(field("size", size(inspection)))
    if let digest = inspection.weightsDigest { lines.append(field("weights", digest.description)) }
    if let source = adapter.source { lines.append(field("source", source.format)) }
    if !adapter.inert.isEmpty { lines.append(field("inert", adapter.inert.count.of("tensor"))) }
    if !inspection.groups.isEmpty { lines += [""] + operationLines(inspection.groups) }
    let values = valueLines(inspection.groups, try statistics(inspection))
    if !values.isEmpty { lines += [""] + values }
    if !inspection.warnings.isEmpty {
      lines += [""] + inspection.warnings.map { "  warning: \($0.sentence)".escaped.cut(to: 80) }
    }
    return lines
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

  private func size(_ inspection: Inspection) -> String {
    guard let stored = inspection.storedByteCount, inspection.byteCount > 0 else {
      return ByteCount(inspection.byteCount).description
    }
    let share = Double(stored) / Double(inspection.byteCount) * 100
    return "\(ByteCount(stored)) for \(ByteCount(inspection.byteCount)) (\(share.short) %)"
  }

  private func operationLines(_ groups: [Inspection.OperationGroup]) -> [String] {
    let rows = groups.map { group in
      let leaves = group.targets.map { $0.leafModule.escaped }.unique.joined(separator: ", ")
      let traits = group.summary.traits.joined(separator: ", ").escaped
      return [
        group.op.escaped.cut(to: 24), group.summary.rank.map { "\($0)" } ?? "",
        group.summary.scale?.short ?? "", group.layout?.rawValue ?? "",
        group.targets.isEmpty ? "" : "\(group.targets.count)",
        [leaves, traits].filter { !$0.isEmpty }.joined(separator: "; "),
      ]
    }
    return TextColumn.table(
      [
        .init("operation"), .init("rank", .right), .init("scale", .right), .init("layout"),
        .init("targets", .right), .init("modules"),
      ], rows, indent: 2)
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
    case .nonfinite: "NaN or infinity in \(names)\(rest)"
    case .unresolvedLayout: "stored transposed or not, decided at the base: \(names)\(rest)"
    case .biasesNotSaved:
      "biases were trained (\(names)) and are not in the file: its PEFT lost them"
    case .unsupported: "cannot be applied by this version: \(names)\(rest)"
    @unknown default: code
    }
  }
}
