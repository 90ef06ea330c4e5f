internal import AdapterInsight
internal import AdapterRuntime
internal import Operations
internal import Storage
internal import StrictJSON

/// The result of `adapter verify --merge`, for people.
struct MergeAnswer {
  let base: String
  /// The adapters with their weights, as given.
  let adapters: [String]
  let merged: String
  let verification: MergeVerification

  private static let maximumRows = 20

  /// A line with the answer, how many tensors are what, and those that are not as they should be.
  var text: String {
    let relation = verification.isConfirmed ? "ok," : "not"
    let answer = "\(merged): \(relation) \(base) with \(adapters.joined(separator: ", "))"
    let counts = MergeVerification.Kind.allCases.compactMap { kind -> String? in
      let tensors = tensors(kind)
      guard !tensors.isEmpty else { return nil }
      return "  \(tensors.count.of("tensor")) \(kind.words)" + (distance(tensors) ?? "")
    }
    let blocks = [[answer.escaped] + counts] + MergeVerification.Kind.allCases.map(list)
    return blocks.filter { !$0.isEmpty }.joined(separator: [""]).joined(separator: "\n") + "\n"
  }

  private func tensors(_ kind: MergeVerification.Kind) -> [MergeVerification.Tensor] {
    verification.tensors.filter { $0.kind == kind }
  }

  /// How far the farthest element of tensors that are as they should be is from its exact value.
  private func distance(_ tensors: [MergeVerification.Tensor]) -> String? {
    guard tensors.allSatisfy(\.kind.isConfirmed),
      let largest = tensors.compactMap({ $0.difference?.largest }).max()
    else { return nil }
    return ", at most \(largest.short) \(unit) from the exact value"
  }

  private var unit: String {
    verification.countsSteps ? "steps of the codes" : "units in the last place"
  }

  /// The tensors that are not as they should be.
  private func list(_ kind: MergeVerification.Kind) -> [String] {
    let tensors = tensors(kind).sorted(by: Self.isBefore)
    guard !kind.isConfirmed, !tensors.isEmpty else { return [] }
    let shown = Array(tensors.prefix(Self.maximumRows))
    let lines: [String] =
      switch kind {
      case .differs, .changed: table(shown)
      case .otherShape, .otherType: shown.map { "    " + $0.isAndShouldBe.cutStart(to: 76) }
      default: shown.map { "    " + $0.name.text.escaped.cutStart(to: 76) }
      }
    let rest = tensors.count - shown.count
    return ["  \(kind.words):"] + lines + (rest > 0 ? ["    and \(rest.grouped) more"] : [])
  }

  /// Those that are farthest off come first.
  private static func isBefore(
    _ left: MergeVerification.Tensor, _ right: MergeVerification.Tensor
  ) -> Bool {
    let (x, y) = (left.place, right.place)
    return x == y ? left.name.naturallyPrecedes(right.name) : x > y
  }

  private func table(_ tensors: [MergeVerification.Tensor]) -> [String] {
    let isMeasured = tensors.contains { $0.difference?.change != nil }
    let columns: [TextColumn] =
      [.init("elements", .right), .init(verification.countsSteps ? "steps" : "units", .right)]
      + (isMeasured ? [.init("of change", .right)] : []) + [.init("tensor", .tail)]
    let cells = tensors.map { tensor in
      let difference = tensor.difference
      return [difference?.count.grouped ?? "", difference?.largest?.short ?? ""]
        + (isMeasured ? [difference?.change?.relativeDistance.short ?? ""] : [])
        + [tensor.name.text.escaped]
    }
    return TextColumn.table(columns, cells, indent: 4)
  }
}

extension MergeAnswer {
  /// Up to which relative distance other roundings on the way are the likely reason, in each element type: of sums in F32;
  /// in others of the change, which PEFT's `safe_merge` and adapters in 16 bits round before it is added.
  private static let likelyRoundings: [(type: ElementType, limit: String, what: String)] = [
    (.f32, "1e-4", "sums were rounded"), (.f16, "1e-3", "the change was rounded"),
    (.bf16, "1e-2", "the change was rounded"),
  ]

  /// Additional notes.
  var notes: [String] {
    let entries = verification.receipt.adapters
    var notes = entries.map { entry in
      (entries.count == 1 ? "" : "\(entry.label): ") + "base: \(entry.verdict.sentence)"
    }
    for (type, limit, what) in Self.likelyRoundings {
      let near = verification.tensors.filter { tensor in
        tensor.kind == .differs && tensor.found?.type == type
          && tensor.difference?.change.map { $0.relativeDistance <= Double(limit) ?? 0 } ?? false
      }
      guard !near.isEmpty else { continue }
      notes.append(
        "\(near.count.of("\(type.rawValue) tensor")) may differ only in how \(what), as another program "
          + "or processor does: --tolerance \(limit) accepts that")
    }
    return notes + codeNotes
  }

  /// Notes about the codes of a base that stays quantised.
  private var codeNotes: [String] {
    var notes: [String] = []
    if let fault = verification.faults.first {
      let others = verification.faults.count == 1 ? "" : ", \(verification.faults.count - 1) more"
      notes.append("only bytes are compared of what cannot be decoded: \(fault)\(others)")
    }
    let indistinct = verification.indistinct
    if verification.isConfirmed, let first = indistinct.first {
      let others = indistinct.count == 1 ? "" : " and \(indistinct.count - 1) more"
      notes.append(
        "the codes' steps are wider than the change: \(first)\(others) would pass unmerged as well")
    }
    let largest = tensors(.withinOneRounding).compactMap(\.difference?.largest).max() ?? 0
    if verification.countsSteps, largest > 1 {
      notes.append("values beyond the last code are as near as it lets them be")
    }
    return notes
  }
}

extension MergeVerification.Tensor {
  /// The sort key of rows: the share of the change that is wrong, or the number of units. Rounded, so that the last
  /// digits, in which processors differ, do not decide; values that are not finite come first.
  fileprivate var place: Double {
    guard let difference else { return 0 }
    let number = difference.change?.relativeDistance ?? difference.largest ?? .infinity
    return number.isFinite ? (number * 1e6).rounded() : .infinity
  }

  /// `w: F32 [3], not BF16 [4]`.
  fileprivate var isAndShouldBe: String {
    let infos = [found, expected].compactMap { $0.map { "\($0.type.rawValue) \($0.shape)" } }
    return (name.text + ": " + infos.joined(separator: ", not ")).escaped
  }
}

extension MergeVerification.Kind {
  /// The kind for people.
  var words: String {
    switch self {
    case .identical: "identical"
    case .withinOneRounding: "within one rounding"
    case .withinTolerance: "within the tolerance"
    case .untouched: "untouched"
    case .differs: "different"
    case .changed: "changed and should not have"
    case .otherShape: "of another shape"
    case .otherType: "of another kind of number"
    case .missing: "missing"
    case .additional: "additional"
    }
  }
}
