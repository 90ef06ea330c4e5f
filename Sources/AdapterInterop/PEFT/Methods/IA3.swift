internal import Operations
internal import Storage
internal import StrictJSON

/// IA3 (arXiv:2205.05638): learned factors of activations, which are factors of weights.
///
/// | PEFT | here |
/// |---|---|
/// | `M.ia3_l` [out, 1] | `multiply` on `M.weight`, output side, and the bias beside it |
/// | `M.ia3_l` [1, in], M in `feedforward_modules` | `multiply` on `M.weight`, input side |
/// | `M.ia3_l` [1, C, 1, 1] of a convolution | by `feedforward_modules` alone |
extension PEFTMethod {
  static let ia3 = PEFTMethod(
    type: "IA3", title: "IA3", parts: ["ia3_l"],
    fields: FieldRules(
      honoured: "fan_in_fan_out feedforward_modules", noEffect: "init_ia3_weights"),
    read: { meaning, _ in try meaning.addIA3() },
    writing: .ia3)
}

extension PEFTMeaning {
  fileprivate mutating func addIA3() throws {
    let layouts = PEFTLayouts(config, tensors.modules.map(\.name))
    let feedforward = config.coverage("feedforward_modules", needsDot: false)
    for module in tensors.modules {
      let vector = try tensors.take("ia3_l", of: module)
      let isFeedforward = try isFeedforward(module.name, vector, feedforward)
      var target = Target(Name("\(module.name).weight"))
      (target.layout, target.layoutSource) = layouts.layout(of: module.name, vector.shape.count > 2)
      try append(
        Multiply(
          target: target, vector: vector, side: isFeedforward ? .input : .output,
          scalesBias: !isFeedforward))
    }
  }

  /// Returns true if `feedforward_modules` covers the module. If its pattern cannot be matched here, the shape of the
  /// vector decides, provided that it tells the difference.
  private func isFeedforward(
    _ module: Name, _ vector: TypedOperand, _ feedforward: PEFTCoverage
  ) throws -> Bool {
    let shows = vector.shape.count == 2 && vector.count != 1
    let says = feedforward.covers(module)
    if config["feedforward_modules"] != nil, says == nil {
      guard shows else {
        throw InteropError.field(
          "feedforward_modules", "has a pattern that cannot be matched in linear time")
      }
      return vector.shape[0] == 1
    }
    guard !shows || (says ?? false) == (vector.shape[0] == 1) else {
      throw InteropError.tensors(
        "\(module): ia3_l is \(vector.shape), which is not what feedforward_modules says")
    }
    return says ?? false
  }
}
