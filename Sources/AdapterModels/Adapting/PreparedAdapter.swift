public import AdapterRuntime
public import Operations
public import StrictJSON

/// An adapter made ready to run beside a model's weights: its operands widened to F32 and bound to the model's
/// layers. The model is not changed; one adapter may serve any number of sequences at once.
public final class PreparedAdapter: Sendable {
  /// Its name.
  public let name: Name
  /// Bytes that it takes in memory.
  public let byteCount: Int
  /// What the base's samples say.
  public let verdict: BaseVerdict

  let model: ModelIdentity
  let layers: [Int: [LayerChange]]
  let vectors: [Int: VectorChange]
  let prompt: SoftPrompt?
  let prefix: Prefix?

  /// What it does to the outputs of a linear layer.
  enum LayerChange: Sendable {
    case operation(LayerOperation)
    /// DoRA: with m / n for every output.
    case renorm(LayerOperation.Factors, gain: [Float])
  }

  /// What it does to a bias or a norm's weight.
  struct VectorChange: Sendable {
    let update: ParameterUpdate
    let isReplacement: Bool
  }

  /// Rows before the embeddings, [count, hidden].
  struct SoftPrompt: Sendable {
    let rows: [Float]
    let count: Int
  }

  /// Keys and values before those of the input.
  struct Prefix: Sendable {
    let operation: PrependKV
    let values: [Float]
  }

  /// Prepares an adapter.
  ///
  /// - Parameters:
  ///   - adapter: the adapter. What it does to weights must be low-rank changes or scalings of linear layers,
  ///     or changes of vectors; everything else belongs into the model (`RunPlan`).
  ///   - model: whose layers it is bound to.
  ///   - policy: what is accepted that is normally refused.
  /// - Throws: `DecoderError` where it is for another base, or cannot run beside the weights.
  public init(
    _ adapter: Adapter, for model: LanguageModel,
    policy: AdaptedCheckpoint.Policy = AdaptedCheckpoint.Policy()
  ) throws(DecoderError) {
    name = adapter.name
    self.model = model.identity
    var preparation = AdapterPreparation(model: model, adapter: adapter)
    verdict = try preparation.run(policy)
    layers = preparation.layers
    vectors = preparation.vectors
    prompt = preparation.prompt
    prefix = preparation.prefix
    byteCount = preparation.byteCount
  }
}
