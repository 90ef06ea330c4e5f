package import Storage
internal import StrictJSON

extension TensorInfo {
  /// True if, by its name, it is not a parameter but a tensor that a model keeps beside them and can work out again:
  /// versions of transformers differ in which of these they save.
  package var isBuffer: Bool {
    let leaf = name.lastPart
    // GPT-2's causal masks are called as a bias is.
    return Self.bufferLeaves.contains(leaf) || (leaf == "bias" && shape.dimensions.count > 2)
  }

  private static let bufferLeaves: Set<Name> = [
    "position_ids", "token_type_ids", "inv_freq", "original_inv_freq", "masked_bias",
    "cos_cached", "sin_cached", "relative_position_index",
  ]
}
