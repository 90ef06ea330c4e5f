internal import AdapterInsight
internal import AdapterRuntime
internal import Operations
internal import StrictJSON

extension InspectedAdapter {
  /// The maps of its changes, by layer and module.
  var maps: [LayerMap] {
    guard let values else { return [] }
    var maps: [LayerMap] = []
    if let change {
      let tensors = change.measurement.tensors.compactMap {
        tensor -> (name: Name, value: Double)? in
        tensor.relativeChange.map { (tensor.name, $0 * 100) }
      }
      if !tensors.isEmpty {
        maps.append(LayerMap("‖ΔW‖ / ‖W‖ in %, Frobenius norms", tensors, combine: max))
      }
    }
    for kind in EffectKind.allCases {
      let numbers = values.effects.targets.flatMap { effect in
        effect.measures.compactMap { measure -> (name: Name, value: Double)? in
          guard kind.spaces.contains(measure.space), let name = effect.target else { return nil }
          return measure.norm.map { (name, $0) }
        }
      }
      if !numbers.isEmpty {
        maps.append(LayerMap(kind.title, numbers) { ($0 * $0 + $1 * $1).squareRoot() })
      }
    }
    return maps + values.effects.targets.compactMap(\.prompt).map(LayerMap.init)
  }
}

/// Numbers of one kind, which one map shows.
private enum EffectKind: CaseIterable {
  case change
  case direction
  case factor
  case value

  var spaces: [EffectSpace] {
    switch self {
    case .change: [.weight]
    case .direction: [.direction]
    case .factor: [.outputFactor, .inputFactor]
    case .value: [.value]
    }
  }

  var title: String {
    switch self {
    case .change: "‖ΔW‖, the Frobenius norm of the change"
    case .direction: "‖scale · B · A‖ before the base has its part in it (--base shows ‖ΔW‖)"
    case .factor: "‖v − 1‖ of the factors"
    case .value: "‖value‖ of parameters given whole (--base shows ‖ΔW‖)"
    }
  }
}

extension LayerMap {
  /// The norms of a prompt's tokens, or of a prefix's layers.
  init(_ prompt: PromptNorms) {
    let isPrompt = prompt.kind == .tokens
    let rows = prompt.rows.prefix(Self.maximumCells / 2)
    self.init(
      title: isPrompt ? "‖row‖ of the soft prompt" : "‖keys‖ and ‖values‖ of the prefix",
      rowTitle: isPrompt ? "token" : "layer", rows: rows.indices.map { "\($0)" },
      columns: isPrompt ? ["norm"] : ["keys", "values"], values: Array(rows))
  }
}

extension ChangeMeasurement.Tensor {
  /// ‖ΔW‖ / ‖W‖; nil for a tensor that the base does not have.
  var relativeChange: Double? {
    guard let change, weightNorm > 0 else { return nil }
    return change.leftNorm / weightNorm
  }
}
