internal import AdapterFormat
internal import AdapterInsight
internal import AdapterRuntime
internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// The page of `inspect --html`.
struct InspectReport {
  private let listing: AdapterListing

  init(_ listing: AdapterListing) {
    self.listing = listing
  }

  var page: ReportPage {
    var page = ReportPage(
      title: Shown(listing.path), command: "adapter inspect", summary: Shown(summary))
    for adapter in listing.adapters.prefix(Self.maximumAdapters) { add(adapter, to: &page) }
    if listing.adapters.count > Self.maximumAdapters {
      let count = listing.adapters.count.of("adapter")
      page.findings.insert(
        Finding(.note, Shown("of \(count) the first \(Self.maximumAdapters); --json lists all")),
        at: 0)
    }
    page.sizes = sizes
    page.provenance = provenance
    return page
  }

  /// A page of more is for no eye.
  private static let maximumAdapters = 100

  private var isBundle: Bool { listing.adapters.count > 1 }

  /// The verdict first.
  private var summary: String {
    listing.adapters.prefix(Self.maximumAdapters).map { inspected in
      let headline = AdapterHeadline(inspected)
      let holds = AdapterJudgement(inspected).holds
      return (isBundle ? "\(inspected.adapter.name): " : "") + headline.method
        + (headline.place.map { " on \($0)" } ?? "")
        + (holds.isEmpty ? "" : ": " + holds.joined(separator: ", "))
    }.joined(separator: "; ") + "."
  }

  private func add(_ inspected: InspectedAdapter, to page: inout ReportPage) {
    let prefix = isBundle ? "\(inspected.adapter.name): " : ""
    page.facts += facts(inspected, prefix)
    page.findings += AdapterJudgement(inspected).findings.map { severity, sentence in
      Finding(severity == .remark ? .note : .warning, Shown(prefix + sentence))
    }
    if let values = inspected.values {
      page.heatMaps += inspected.maps.enumerated().map { index, map in
        var map = HeatMap(map, prefix: prefix)
        map.isFolded = index > 0
        return map
      }
      if let grid = PlotGrid(spectraOf: values.effects, prefix: prefix) {
        page.plotGrids.append(grid)
      }
      if let table = ReportTable(spectraOf: values.effects, prefix: prefix) {
        page.tables.append(table)
      }
    }
    page.tables.insert(operations(inspected, prefix), at: 0)
    page.tables.append(tensors(inspected.adapter, prefix))
  }

  private func facts(_ inspected: InspectedAdapter, _ prefix: String) -> [Fact] {
    let (adapter, inspection) = (inspected.adapter, inspected.inspection)
    let headline = AdapterHeadline(inspected)
    var facts = [
      Fact(Shown(prefix + "for"), Shown(AdapterListing.forBase(adapter.base))),
      Fact(
        "parameters",
        Shown(
          "\(inspection.parameterCount.grouped) in \(AdapterListing.tensors(inspection))")),
      Fact("size", Shown(AdapterListing.size(inspection))),
    ]
    for (name, value) in [
      ("changes", headline.change), ("trained", headline.training),
      ("carries", AdapterListing.carried(adapter)),
      ("use", listing.use(adapter).joined(separator: ", ")),
    ] {
      if let value { facts.append(Fact(Shown(name), Shown(value))) }
    }
    if let license = listing.file?.manifest.metadata.first(where: { $0.key == "license" }) {
      facts.append(Fact("license", Shown(license.value)))
    }
    if let change = inspected.change {
      facts.append(Fact("measured on", Shown(change.path.string)))
      facts.append(Fact("that base", Shown(change.verdict.sentence)))
    }
    return facts
  }

  private func operations(_ inspected: InspectedAdapter, _ prefix: String) -> ReportTable {
    ReportTable(
      caption: Shown(prefix + "Operations"),
      columns: [
        .init("operation", .code), .init("rank", .number), .init("scale", .number),
        .init("layout"), .init("targets", .number), .init("modules", .code),
      ],
      rows: AdapterListing.operationRows(inspected.inspection.groups).map { $0.map { Shown($0) } })
  }

  private func tensors(_ adapter: Adapter, _ prefix: String) -> ReportTable {
    let uses = adapter.uses
    return ReportTable(
      caption: Shown(prefix + "Tensors"), remark: "As they are restored.",
      columns: [
        .init("tensor", .code), .init("dtype"), .init("shape", .number), .init("size", .number),
        .init("used as"),
      ],
      allRows: adapter.tensors.map { info in
        [
          Shown(info.name.text), Shown(info.type.rawValue), Shown("\(info.shape)"),
          Shown("\(ByteCount(info.byteCount))"), Shown(uses[info.name] ?? ""),
        ]
      })
  }

  /// Bytes by module, the largest first.
  private var sizes: SizeBars {
    var parts: [String: Int] = [:]
    for adapter in listing.adapters.map(\.adapter) {
      var modules: [Name: String] = [:]
      for operation in adapter.operations {
        let part = operation.target.map { ParameterPlace($0.name).module } ?? operation.name
        for operand in operation.operands { modules[operand.tensor] = part }
      }
      for file in adapter.files { if let tensor = file.tensor { modules[tensor] = "files" } }
      for info in adapter.tensors {
        parts[modules[info.name] ?? "unused", default: 0] += info.byteCount
      }
    }
    let total = max(1, parts.values.reduce(0, +))
    let sorted = parts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    var bars = sorted.prefix(14).map { ($0.key, $0.value) }
    if sorted.count > bars.count {
      bars.append(("others", sorted.dropFirst(bars.count).reduce(0) { $0 + $1.value }))
    }
    return SizeBars(
      caption: "Bytes as restored, by module",
      bars.map {
        .init(Shown($0.0), amount: Shown("\(ByteCount($0.1))"), share: Double($0.1) / Double(total))
      })
  }

  private var provenance: [Fact] {
    var facts: [Fact] = []
    let adapter = listing.adapters.first?.adapter
    let base = adapter?.base
    facts.append(
      Fact(
        "base",
        Shown([base?.name, base?.revision].compactMap { $0 }.joined(separator: " at "))))
    if let architecture = base?.architecture {
      facts.append(Fact("architecture", Shown(architecture)))
    }
    facts.append(
      Fact(
        "fingerprint", Shown(base?.fingerprint?.digest.description ?? "none"),
        style: base?.fingerprint == nil ? .text : .code))
    if let source = adapter?.source { facts.append(Fact("source", Shown(source.format))) }
    for inspected in listing.adapters.prefix(Self.maximumAdapters) {
      guard let digest = inspected.inspection.weightsDigest else { continue }
      let prefix = isBundle ? "\(inspected.adapter.name): " : ""
      facts.append(Fact(Shown(prefix + "weights"), Shown(digest.description), style: .code))
    }
    if let file = listing.file {
      facts.append(Fact("manifest", Shown(file.digest.description), style: .code))
      if let generator = file.manifest.generator { facts.append(Fact("made by", Shown(generator))) }
      facts += file.manifest.metadata.map { Fact(Shown($0.key.text), Shown($0.value)) }
    }
    return facts.filter { "\($0.value)" != "" }
  }
}

extension AdapterEffects {
  /// ‖ΔW‖_F of all changes that the adapter alone shows; nil where there is none.
  var totalNorm: Double? {
    let norms = targets.flatMap(\.measures).filter { $0.space == .weight }.compactMap(\.norm)
    return norms.isEmpty ? nil : norms.reduce(0) { $0 + $1 * $1 }.squareRoot()
  }
}
