internal import Operations
internal import Storage
internal import StrictJSON

/// SHiRA (arXiv:2406.13175): single elements.
///
/// | PEFT | here |
/// |---|---|
/// | `M.shira_weight` [n], `M.shira_indices` [2, n] | `add_sparse` |
extension PEFTMethod {
  static let shira = PEFTMethod(
    type: "SHIRA", title: "SHiRA", parts: ["shira_weight", "shira_indices"],
    fields: FieldRules(noEffect: "fan_in_fan_out init_weights mask_type r random_seed"),
    read: { meaning, _ in try meaning.addSHiRA() })
}

extension PEFTMeaning {
  fileprivate mutating func addSHiRA() throws {
    for module in tensors.modules {
      let indices = try tensors.take("shira_indices", of: module)
      guard !indices.type.isFloat else {
        throw InteropError.tensors(
          "\(module.name): shira_indices are \(indices.type.rawValue), not integers")
      }
      try append(
        AddSparse(
          target: module.weight, indices: indices,
          values: try tensors.take("shira_weight", of: module), scale: 1))
    }
  }
}
