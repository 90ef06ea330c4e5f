internal import Operations
internal import StrictJSON

/// BOFT (arXiv:2311.06243): inputs rotated in butterflies.
///
/// | PEFT | here |
/// |---|---|
/// | `M.boft_R` [f, n, b, b], `M.boft_s` [out, 1] | `rotate_butterfly` |
extension PEFTMethod {
  static let boft = PEFTMethod(
    type: "BOFT", title: "BOFT", parts: ["boft_R", "boft_s"],
    fields: FieldRules(
      honoured: "bias",
      // On a machine without CUDA the number of factors is written and not obeyed: the tensors tell.
      noEffect: """
        boft_block_num boft_block_size boft_dropout boft_n_butterfly_factor fan_in_fan_out
        init_weights
        """),
    read: { meaning, _ in try meaning.addBOFT() })
}

extension PEFTMeaning {
  fileprivate mutating func addBOFT() throws {
    for module in tensors.modules {
      try append(
        RotateButterfly(
          target: module.weight, generators: try tensors.take("boft_R", of: module),
          rowScale: try tensors.take("boft_s", of: module)))
    }
  }
}
