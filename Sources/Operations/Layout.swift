/// How a linear layer's weight is stored (Spec/adp-v1.md, section 8).
public enum Layout: String, Sendable, Hashable, CaseIterable {
  /// As the logical matrix [out, in]: `torch.nn.Linear`.
  case outIn = "out_in"
  /// As its transpose [in, out]: GPT-2's `Conv1D`, and embeddings.
  case inOut = "in_out"
  /// Not known yet: the base decides.
  case unresolved
}

/// How far a layout can be trusted.
public enum LayoutSource: String, Sendable, Hashable, CaseIterable {
  /// A base decided it, or the kind of the parameter (an embedding, a convolution, a stack of experts), or the user.
  case sure
  /// A name or a flag of a configuration suggested it.
  case guessed
}
