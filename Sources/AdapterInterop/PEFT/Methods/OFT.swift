internal import Operations
internal import StrictJSON

/// OFT (arXiv:2306.07280): blocks of inputs rotated.
///
/// | PEFT | here |
/// |---|---|
/// | `M.oft_R.weight` [n, b (b − 1) / 2] | `rotate_input` |
/// | `use_cayley_neumann`, `num_cayley_neumann_terms` | `terms`: the series turns the other way than the exact rotation |
/// | `block_share` | `shared` |
/// | `coft`, `eps` | `radius` eps / √n |
extension PEFTMethod {
  static let oft = PEFTMethod(
    type: "OFT", title: "OFT", parts: ["oft_R", "oft_embedding_R"],
    fields: FieldRules(
      honoured: """
        bias block_share coft eps num_cayley_neumann_terms oft_block_size use_cayley_neumann
        """,
      noEffect: "fan_in_fan_out init_weights module_dropout r"),
    read: { meaning, _ in try meaning.addOFT() })
}

extension PEFTMeaning {
  fileprivate mutating func addOFT() throws {
    guard config["oft_block_size"] != nil, config.version != nil else {
      throw InteropError.field(
        "oft_block_size or peft_version",
        "missing: PEFT before 0.18 rotated differently; save it anew with a later one")
    }
    let usesSeries = try config.flag("use_cayley_neumann", absent: true)
    let terms = usesSeries ? try config.count("num_cayley_neumann_terms") : 0
    let isShared = try config.flag("block_share")
    for module in tensors.modules {
      if module.parts["oft_embedding_R"] != nil {
        throw InteropError.tensors(
          "\(module.name): OFT on an embedding is not supported by this version")
      }
      let generator = try tensors.take("oft_R", of: module)
      guard generator.shape.count == 2 else {
        throw InteropError.tensors(
          "\(module.name): oft_R is \(generator.shape), not [n, b (b - 1) / 2]")
      }
      let radius =
        try config.flag("coft")
        ? try config.number("eps") / Double(generator.shape[0]).squareRoot() : nil
      try append(
        RotateInput(
          target: module.weight, generator: generator, terms: terms, isShared: isShared,
          radius: radius))
    }
  }
}
