internal import Operations
internal import StrictJSON

/// BEFT (arXiv:2509.15974): changes of biases.
///
/// | PEFT | here |
/// |---|---|
/// | `M.beft_bias` [1, out] | `add` on `M.bias` |
extension PEFTMethod {
  static let beft = PEFTMethod(
    type: "BEFT", title: "BEFT", parts: ["beft_bias"], fields: FieldRules(noEffect: "init_weights"),
    read: { meaning, _ in try meaning.addBiasDeltas() })
}

extension PEFTMeaning {
  fileprivate mutating func addBiasDeltas() throws {
    for module in tensors.modules {
      let delta = try tensors.take("beft_bias", of: module)
      try append(Add(target: Target(Name("\(module.name).bias")), delta: delta, scale: 1))
    }
  }
}
