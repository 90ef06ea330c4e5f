internal import AdapterFormat
internal import AdapterInsight
internal import Operations
internal import Storage
internal import StrictJSON

/// Tables of `inspect` that are asked for.
enum DetailTables {
  /// One line for each change that has singular values.
  static func spectra(_ effects: AdapterEffects) -> [String] {
    let targets = effects.targets.sorted { left, right in
      guard let left = left.target, let right = right.target else { return left.target != nil }
      return left.naturallyPrecedes(right)
    }
    let measures = targets.flatMap { effect in
      effect.measures.compactMap { measure -> [String]? in
        guard let spectrum = measure.spectrum, let name = effect.target else { return nil }
        return [
          measure.rank.map { "\($0)" } ?? "", (measure.norm ?? .nan).short,
          spectrum.spectralNorm.short, spectrum.effectiveRank.oneDecimal,
          spectrum.stableRank.oneDecimal, "\(spectrum.rank(holding: 0.99))",
          sparkline(spectrum.values, width: 8), name.shortPlace.escaped,
        ]
      }
    }
    guard !measures.isEmpty else { return [] }
    return TextColumn.table(
      [
        .init("rank", .right), .init("‖ΔW‖", .right), .init("σ₁", .right),
        .init("effective", .right), .init("stable", .right), .init("99 %", .right), .init("σ"),
        .init("weight", .tail),
      ], measures, indent: 2)
  }

  /// One line for each tensor.
  static func tensors(_ adapter: Adapter) -> [String] {
    let uses = adapter.uses
    let rows = adapter.tensors.map { info in
      [
        info.type.rawValue, "\(info.shape)", "\(ByteCount(info.byteCount))",
        uses[info.name] ?? "", info.name.text.escaped,
      ]
    }
    return TextColumn.table(
      [
        .init("dtype"), .init("shape"), .init("size", .right), .init("used as"),
        .init("tensor", .tail),
      ], rows, indent: 2)
  }
}

extension Adapter {
  /// The use of each tensor: a role of an operation, `inert`, or `file`.
  var uses: [Name: String] {
    var uses: [Name: String] = [:]
    for operation in operations {
      for role in operation.record.tensors {
        uses[role.operand.tensor] = "\(operation.name) \(role.role)".escaped.cut(to: 30)
      }
    }
    for file in files { if let tensor = file.tensor { uses[tensor] = "file" } }
    for entry in inert where uses[entry.tensor] == nil { uses[entry.tensor] = "inert" }
    return uses
  }
}

extension Double {
  /// `5.3`.
  var oneDecimal: String {
    guard isFinite else { return "\(self)" }
    let tenths = Int((self * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
  }
}

extension Name {
  /// `3 self_attn.q_proj` of `model.layers.3.self_attn.q_proj.weight`: what tells it from the others.
  fileprivate var shortPlace: String {
    let place = ParameterPlace(self)
    guard let layer = place.layer, !place.module.contains("*") else { return text }
    return "\(layer) \(place.module)"
  }
}
