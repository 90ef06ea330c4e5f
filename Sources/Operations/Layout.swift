/// How a linear layer's weight is stored (Spec/adp-v1.md, section 8).
public enum Layout: String, Sendable, Hashable, CaseIterable {
  /// As the logical matrix [out, in]: `torch.nn.Linear`.
  case outIn = "out_in"
  /// As its transpose [in, out]: GPT-2's `Conv1D`, and embeddings.
  case inOut = "in_out"
  /// Not known yet: the base decides.
  case unresolved
}

/// What decided a layout.
public enum LayoutSource: String, Sendable, Hashable, CaseIterable {
  /// The shape of the base's tensor, which is not square.
  case base
  /// What the parameter is: an embedding, a convolution, a stack of experts.
  case kind
  /// The layer's name.
  case name
  /// `fan_in_fan_out` of the configuration.
  case flag
  /// Other tensors of the base.
  case siblings
  /// The base's model type.
  case modelType = "model_type"
  /// The user.
  case user
}
