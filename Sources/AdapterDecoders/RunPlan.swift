internal import AdapterMath
public import AdapterRuntime
public import Adapters
public import Checkpoints
internal import Storage
internal import StrictJSON

/// How adapters run on a base: what acts beside its weights, and what has to be made part of them when the
/// model is loaded, such as changed embeddings, rotations, or modules that were trained in full.
public struct RunPlan: Sendable {
  /// What has to be made part of the weights; no operations where nothing has to.
  public let folded: Adapter
  /// What acts beside the weights.
  public let beside: Adapter

  /// Divides an adapter, parameter by parameter.
  ///
  /// - Parameters:
  ///   - adapter: the adapter.
  ///   - checkpoint: its base.
  ///   - policy: what is accepted that is normally refused.
  /// - Throws: `DecoderError` where the base cannot be run, or the adapter is not for it.
  public init(
    _ adapter: Adapter, on checkpoint: Checkpoint,
    policy: AdaptedCheckpoint.Policy = AdaptedCheckpoint.Policy()
  ) throws(DecoderError) {
    let kind = try DecoderKind(DecoderConfig(checkpoint.configPath))
    let view: AdaptedCheckpoint
    do throws(RuntimeError) {
      view = try AdaptedCheckpoint(checkpoint, applying: adapter.onWeights, policy: policy)
    } catch {
      throw .runtime(adapter: adapter.name, error)
    }
    // A target may reach several tensors, and a redundant one none: beside runs only what does so entirely.
    let (besides, others) = (
      view.tensors.filter { Self.runsBeside($0, kind) },
      view.tensors.filter { !Self.runsBeside($0, kind) }
    )
    func targets(_ tensors: [AdaptedTensor]) -> Set<Name> {
      Set(tensors.flatMap { $0.changes.compactMap(\.operation.target?.name) })
    }
    let names = targets(besides).subtracting(targets(others))
    folded = adapter.keeping { operation in
      operation.target.map { !names.contains($0.name) } ?? false
    }
    beside = adapter.keeping { operation in
      operation.target.map { names.contains($0.name) } ?? true
    }
  }

  private static func runsBeside(_ tensor: AdaptedTensor, _ kind: DecoderKind) -> Bool {
    if kind.isLayer(tensor.info.name) { return tensor.actsBesideLayer }
    return tensor.kind == .changed && tensor.info.shape.dimensions.count == 1
      && tensor.info.type.bitWidth <= 32
  }
}
