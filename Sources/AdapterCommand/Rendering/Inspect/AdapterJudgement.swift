internal import AdapterInsight
internal import Operations

/// The findings about an adapter, the worst first, and the properties that were checked and hold.
struct AdapterJudgement {
  /// The properties that hold: `intact`, `trained`.
  private(set) var holds: [String] = []
  private(set) var findings: [(severity: Severity, sentence: String)] = []

  /// How much something matters.
  enum Severity: Int {
    /// It does nothing, or harm.
    case fault
    /// It may not be what was meant.
    case doubt
    /// Good to know.
    case remark

    var mark: String {
      switch self {
      case .fault: "✘"
      case .doubt: "!"
      case .remark: "·"
      }
    }

    var color: Int? {
      switch self {
      case .fault: 31
      case .doubt: 33
      case .remark: nil
      }
    }
  }

  init(_ inspected: InspectedAdapter) {
    let (adapter, warnings) = (inspected.adapter, inspected.inspection.warnings)
    findings += warnings.map { ($0.severity, $0.sentence) }
    findings += (inspected.values?.findings ?? []).map { ($0.severity, $0.sentence) }
    findings.sort { $0.severity.rawValue < $1.severity.rawValue }
    let isFromFile = adapter.file != nil
    if let values = inspected.values {
      // Measuring reads every tensor, and of a container checks its digest.
      if isFromFile, values.effects.unmeasuredCount == 0 { holds.append("intact") }
      let measures = values.effects.targets.flatMap(\.measures)
      let norms = measures.compactMap(\.norm)
      if norms.contains(where: { $0 > 0 }), !findings.contains(where: { $0.severity == .fault }) {
        holds.append("trained")
      }
      if !norms.isEmpty, norms.allSatisfy(\.isFinite), values.effects.unmeasuredCount == 0 {
        holds.append("finite")
      }
    } else if isFromFile {
      holds.append("manifest intact")
    }
    if adapter.inert.isEmpty, !adapter.operations.isEmpty { holds.append("every tensor used") }
  }
}

extension Warning {
  fileprivate var severity: AdapterJudgement.Severity {
    switch self {
    case .empty, .nonfinite, .unsupported: .fault
    case .zeroChange, .rankZero, .absurdScale, .source: .doubt
    case .unresolvedLayout: .remark
    @unknown default: .doubt
    }
  }
}

extension AdapterInsight.Finding {
  fileprivate var severity: AdapterJudgement.Severity {
    switch self {
    case .untrained: .fault
    case .unusualScale: .doubt
    case .concentrated, .unusedRank, .widerThanNeeded, .wholeParameters: .remark
    @unknown default: .remark
    }
  }
}
