package import Storage
internal import StrictJSON

extension TensorInfo {
  /// Whether it is no parameter but what a model keeps beside them and can work out again, by its name: versions of
  /// transformers differ in which of these they save.
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
