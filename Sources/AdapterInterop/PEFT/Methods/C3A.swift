internal import Operations
internal import StrictJSON

/// C3A (arXiv:2407.19342): circulant blocks.
///
/// | PEFT | here |
/// |---|---|
/// | `M.c3a_kernel` [out / b, in / b, b] | `add_circulant` |
extension PEFTMethod {
  static let c3a = PEFTMethod(
    type: "C3A", title: "C3A", parts: ["c3a_kernel"],
    fields: FieldRules(honoured: "bias", noEffect: "block_size block_size_pattern init_weights"),
    read: { meaning, _ in try meaning.addC3A() })
}

extension PEFTMeaning {
  fileprivate mutating func addC3A() throws {
    for module in tensors.modules {
      try append(
        AddCirculant(target: module.weight, kernel: try tensors.take("c3a_kernel", of: module)))
    }
  }
}
