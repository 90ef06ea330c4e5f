internal import Operations
internal import StrictJSON

/// MiSS (arXiv:2409.15371): a small matrix, repeated.
///
/// | PEFT | here |
/// |---|---|
/// | `M.miss_block` [r, out]; `init_weights` "mini": [r, mini_r]; "bat": [out / r, r, r] | `add_blocks` |
extension PEFTMethod {
  static let miss = PEFTMethod(
    type: "MISS", title: "MiSS", parts: ["miss_block"],
    fields: FieldRules(honoured: "bias init_weights", noEffect: "mini_r miss_dropout r"),
    read: { meaning, _ in try meaning.addMiSS() })
}

extension PEFTMeaning {
  fileprivate mutating func addMiSS() throws {
    let form = config.text("init_weights")
    for module in tensors.modules {
      let blocks = try tensors.take("miss_block", of: module)
      guard (blocks.shape.count == 3) == (form == "bat") else {
        throw InteropError.tensors(
          "\(module.name): miss_block is \(blocks.shape), which is not what init_weights says")
      }
      try append(AddBlocks(target: module.weight, blocks: blocks, isTiled: form == "mini"))
    }
  }
}
