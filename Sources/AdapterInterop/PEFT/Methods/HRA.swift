internal import Operations
internal import StrictJSON

/// HRA (arXiv:2405.17484): inputs reflected.
///
/// | PEFT | here |
/// |---|---|
/// | `M.hra_u` [in, r], `apply_GS` | `reflect_input` |
extension PEFTMethod {
  static let hra = PEFTMethod(
    type: "HRA", title: "HRA", parts: ["hra_u"],
    fields: FieldRules(honoured: "apply_GS bias", noEffect: "init_weights r"),
    read: { meaning, _ in try meaning.addHRA() })
}

extension PEFTMeaning {
  fileprivate mutating func addHRA() throws {
    let isOrthogonal = try config.flag("apply_GS")
    for module in tensors.modules {
      try append(
        ReflectInput(
          target: module.weight, vectors: try tensors.take("hra_u", of: module),
          isOrthogonal: isOrthogonal))
    }
  }
}
