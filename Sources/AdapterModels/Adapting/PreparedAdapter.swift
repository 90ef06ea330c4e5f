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
  /// The verdict on the base, by its samples.
  public let verdict: BaseVerdict

  let model: ModelIdentity
  let layers: [Int: [LayerAction]]
  let vectors: [Int: VectorProgram]
  let prompt: SoftPrompt?
  let prefix: Prefix?

  /// The adapter's action on the outputs of a linear layer.
  enum LayerAction: Sendable {
    case form(LayerForm)
    /// DoRA: with m / n for every output.
    case renorm(LayerForm.Factors, gain: [Float])

    /// Bytes of its values.
    var byteCount: Int {
      switch self {
      case .form(.scaleInput(let vector)), .form(.scaleOutput(let vector)): vector.count * 4
      case .form(.lowRank(let factors)): factors.byteCount
      case .renorm(let factors, _): factors.byteCount
      }
    }
  }

  /// The adapter's program for a bias or a norm's weight.
  struct VectorProgram: Sendable {
    let program: TensorProgram
    let isReplacement: Bool
  }

  /// Rows before the embeddings, [count, hidden].
  struct SoftPrompt: Sendable {
    let rows: [Float]
    let count: Int
  }

  /// Keys and values before those of the input.
  struct Prefix: Sendable {
    let headCount: Int
    let headDimension: Int
    let slots: [PrependKV.Slots]
    let tokenCount: Int
    let values: [Float]
  }

  /// Prepares an adapter.
  ///
  /// - Parameters:
  ///   - adapter: the adapter. What it does to weights must be low-rank changes or scalings of linear layers,
  ///     or changes of vectors; everything else belongs into the model (`RunPlan`).
  ///   - model: whose layers it is bound to.
  ///   - policy: what is accepted that is normally refused.
  /// - Throws: `AdapterError` where it is for another base, or cannot run beside the weights.
  public convenience init(
    _ adapter: Adapter, for model: LanguageModel,
    policy: AdaptedCheckpoint.Policy = AdaptedCheckpoint.Policy()
  ) throws {
    do {
      let view = try AdaptedCheckpoint(
        model.checkpoint, applying: adapter.onWeights, policy: policy)
      try self.init(adapter, view.tensors, as: adapter.name, verdict: view.verdict, for: model)
    } catch {
      throw AdapterError(of: adapter.name.text, error)
    }
  }

  /// Prepares an adapter that is bound to the model's base.
  ///
  /// - Parameters:
  ///   - adapter: with what comes before the text.
  ///   - tensors: what it changes beside the weights.
  ///   - name: what it is called.
  ///   - verdict: what the base's samples say.
  ///   - model: whose layers it is bound to.
  /// - Throws: `AdapterError` where the adapter does not fit the model, or cannot run beside its weights.
  init(
    _ adapter: Adapter, _ tensors: [AdaptedTensor], as name: Name, verdict: BaseVerdict,
    for model: LanguageModel
  ) throws {
    var preparation = AdapterPreparation(model: model, adapter: adapter)
    try preparation.add(tensors)
    for operation in adapter.operations {
      if let prompt = operation.kind?.laws.manner.prompt { try preparation.add(prompt) }
    }
    self.name = name
    self.model = model.identity
    self.verdict = verdict
    layers = preparation.layers
    vectors = preparation.vectors
    prompt = preparation.prompt
    prefix = preparation.prefix
    byteCount = preparation.byteCount
  }
}

extension LayerForm.Factors {
  fileprivate var byteCount: Int {
    (a.count + transposedB.count + (magnitude?.count ?? 0)) * 4
  }
}
