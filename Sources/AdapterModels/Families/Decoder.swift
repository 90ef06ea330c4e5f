/// A decoder-only model: what makes hidden states of embeddings, and logits of hidden states.
protocol Decoder: Sendable {
  var dimensions: DecoderDimensions { get }
  /// The embedding of the input, [vocabulary, hidden].
  var embedding: StoredMatrix { get }
  /// The layer that makes logits.
  var head: LinearLayer { get }
  /// The factor for a token's embedding; nil for none.
  var embeddingScale: Float? { get }
  /// The bound that logits approach by tanh; nil for none.
  var logitCap: Float? { get }

  /// Runs all layers over the embeddings of a pass, in place, and fills its caches.
  func run(_ x: FloatRows, _ pass: Pass)
  /// The last normalisation.
  func normalise(_ x: FloatRows, _ pass: Pass) -> FloatRows
}

extension Decoder {
  var embeddingScale: Float? { nil }
  var logitCap: Float? { nil }
}

/// The sizes of a model.
struct DecoderDimensions: Sendable, Hashable {
  let layerCount: Int
  let hiddenSize: Int
  /// Heads of keys and values.
  let headCount: Int
  let headDimension: Int
  let vocabularySize: Int
  /// How many positions the model has; nil for no limit.
  let positionCount: Int?
}
