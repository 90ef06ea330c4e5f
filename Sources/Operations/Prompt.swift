internal import Storage

/// The virtual tokens before the text that a model reads, as an operation at run time holds them.
package struct Prompt: Sendable, Hashable {
  /// [tokens, dim], or [tokens, slots · heads · head dim].
  package let values: TypedOperand
  /// Which tokens it comes before.
  package let stream: TokenStream
  /// How the model takes it.
  package let form: Form

  /// How a model takes a prompt.
  package enum Form: Sendable, Hashable {
    /// As embeddings before those of the input.
    case embeddings
    /// As keys and values before those of the input, in every layer.
    case keysAndValues(headCount: Int, headDimension: Int, slots: [PrependKV.Slots])
  }

  /// How many virtual tokens.
  package var tokenCount: Int { values.shape.first ?? 0 }
}

/// A sequence of tokens that a model reads.
public enum TokenStream: String, Sendable, Hashable, CaseIterable {
  /// The decoder's, or the only one.
  case decoder
  /// An encoder-decoder's input.
  case encoder
}
