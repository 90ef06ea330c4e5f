public import AdapterRuntime
public import Checkpoints
public import Operations
internal import Storage
internal import StrictJSON

/// How a stack of adapters runs on a base: what acts beside its weights, and what has to be made part of
/// them when the model is loaded, such as changed embeddings, rotations, or modules that were trained in full.
///
/// A weight that one adapter of the stack has to be made part of gets the changes of all: their order counts.
public struct RunPlan: Sendable {
  /// The base.
  public let checkpoint: Checkpoint
  /// The adapters, or parts of them, to make part of the weights, in order; empty if there are none.
  public let folded: [WeightedAdapter]
  /// The adapters, or parts of them, that act beside the weights or before the text, in order.
  public let beside: [WeightedAdapter]
  private let stack: [WeightedAdapter]
  /// The base with all that changes its weights, bound once.
  private let view: AdaptedCheckpoint
  private let division: Division

  /// Divides a stack, parameter by parameter.
  ///
  /// - Parameters:
  ///   - stack: the adapters, left to right.
  ///   - checkpoint: their base.
  ///   - policy: what is accepted that is normally refused.
  /// - Throws: `AdapterError` where the base cannot be run, or an adapter cannot be applied to it, not after
  ///   another, or not with this weight.
  public init(
    _ stack: [WeightedAdapter], on checkpoint: Checkpoint,
    policy: AdaptedCheckpoint.Policy = AdaptedCheckpoint.Policy()
  ) throws {
    let kind = try DecoderKind.of(DecoderConfig(checkpoint.configPath))
    let onWeights = stack.map { entry in
      WeightedAdapter(entry.adapter.onWeights, weight: entry.weight, label: entry.label)
    }
    do {
      view = try AdaptedCheckpoint(checkpoint, applying: onWeights, policy: policy)
    } catch {
      throw stack.count == 1 ? AdapterError(of: stack[0].label, error) : error
    }
    let division = Division(view.tensors, kind)
    self.checkpoint = checkpoint
    self.stack = stack
    self.division = division
    folded = Self.parts(of: stack) { place, target in
      target.map { !division.runsBeside($0, of: place) } ?? false
    }
    beside = Self.parts(of: stack) { place, target in
      target.map { division.runsBeside($0, of: place) } ?? true
    }
  }

  /// Divides one adapter.
  ///
  /// - Parameters:
  ///   - adapter: the adapter.
  ///   - checkpoint: its base.
  ///   - policy: what is accepted that is normally refused.
  /// - Throws: `AdapterError` where the base cannot be run, or the adapter is not for it.
  public init(
    _ adapter: Adapter, on checkpoint: Checkpoint,
    policy: AdaptedCheckpoint.Policy = AdaptedCheckpoint.Policy()
  ) throws {
    try self.init([WeightedAdapter(adapter)], on: checkpoint, policy: policy)
  }

  /// Loads the model with what has to be part of its weights, and prepares what acts beside them.
  ///
  /// - Throws: `AdapterError` where the model cannot be loaded, or an adapter does not fit it.
  /// - Returns: the model, and the stack with which its sequences run.
  public func load() throws -> (model: LanguageModel, stack: AdapterStack) {
    let model: LanguageModel
    do {
      model = try LanguageModel(view.keeping { !division.runsBeside($0) })
    } catch {
      throw folded.count == 1 && !(error is AdapterError)
        ? AdapterError(of: folded[0].label, error) : error
    }
    var entries: [AdapterStack.Entry] = []
    for (weighted, applied) in zip(stack, view.adapters) {
      let tensors = applied.bound.tensors.filter { division.runsBeside($0.info.name) }
      let prompts = weighted.adapter.keeping { $0.target == nil }
      guard !tensors.isEmpty || !prompts.operations.isEmpty else { continue }
      do {
        let prepared = try PreparedAdapter(
          prompts, tensors, as: Name(weighted.label), verdict: applied.verdict, for: model)
        entries.append(.init(prepared, weight: weighted.weight))
      } catch {
        throw AdapterError(of: weighted.label, error)
      }
    }
    return (model, try AdapterStack(entries, for: model))
  }

  private static func parts(
    of stack: [WeightedAdapter], _ isKept: (_ place: Int, _ target: Name?) -> Bool
  ) -> [WeightedAdapter] {
    stack.enumerated().compactMap { place, entry in
      var part = entry
      part.adapter = entry.adapter.keeping { isKept(place, $0.target?.name) }
      part.adapter.name = Name(entry.label)
      return part.adapter.operations.isEmpty ? nil : part
    }
  }
}

/// Which targets run beside the weights: those all of whose tensors do, with all that the stack does to them.
private struct Division {
  private var beside: Set<Target> = []
  private var tensors: Set<Name> = []

  private struct Target: Hashable {
    let place: Int
    let name: Name
  }

  init(_ adapted: [AdaptedTensor], _ kind: DecoderKind) {
    let all = adapted.map { tensor in
      (
        runsBeside: Self.runsBeside(tensor, kind),
        targets: Set(
          tensor.operations.compactMap { operation in
            operation.operation.target.map { Target(place: operation.owner, name: $0.name) }
          })
      )
    }
    var folded = Set(all.filter { !$0.runsBeside }.flatMap(\.targets))
    // A target may reach several tensors: one that is folded takes all others of its tensors with it.
    while let more = all.first(where: {
      !$0.targets.isDisjoint(with: folded) && !$0.targets.isSubset(of: folded)
    }) {
      folded.formUnion(more.targets)
    }
    beside = Set(all.flatMap(\.targets)).subtracting(folded)
    // A tensor without operations is a tied one that got values of its own: it is part of the weights.
    tensors = Set(
      zip(adapted, all).filter { !$0.1.targets.isEmpty && $0.1.targets.isDisjoint(with: folded) }
        .map(\.0.info.name))
  }

  /// Returns true if all changes to a tensor run beside the weights.
  func runsBeside(_ tensor: Name) -> Bool { tensors.contains(tensor) }

  func runsBeside(_ name: Name, of place: Int) -> Bool {
    beside.contains(Target(place: place, name: name))
  }

  private static func runsBeside(_ tensor: AdaptedTensor, _ kind: DecoderKind) -> Bool {
    if kind.isLayer(tensor.info.name) { return tensor.actsBesideLayer }
    return tensor.kind == .changed && tensor.info.shape.dimensions.count == 1
      && tensor.info.type.bitWidth <= 32
  }
}
