internal import AdapterFormat
internal import AdapterInsight
public import Checkpoints
public import Operations
internal import Storage
public import StrictJSON

/// An adapter whose operations are bound to the stored tensors of one base, all layouts decided.
public struct BoundAdapter: Sendable {
  /// The adapter; its operations carry what the base decided.
  public let adapter: Adapter
  /// How its targets were found.
  public let rule: NameBinding.Rule
  /// Decisions that a user should know of.
  public let notes: [String]
  /// The tensors that it changes or makes, by name.
  public let tensors: [AdaptedTensor]
  /// Names of one tensor that get the same change, once.
  public let shared: [[Name]]
  /// Whether parameters that shared a tensor have one each now.
  public let isUntied: Bool

  /// Binds an adapter to a base.
  ///
  /// - Parameters:
  ///   - adapter: the adapter.
  ///   - checkpoint: the base.
  ///   - choices: what the user decides.
  /// - Throws: `RuntimeError` where an operation cannot be applied, or a target is missing, of
  ///   another shape or type, or of an undecided layout.
  public init(
    _ adapter: Adapter, to checkpoint: Checkpoint, choices: BindingChoices = BindingChoices()
  ) throws(RuntimeError) {
    let parameters = try Self.parameters(of: adapter)
    let quantised = QuantisedTargets(parameters, in: checkpoint)
    try quantised.refuseNamed(choices)
    let binding = try rethrowing(as: quantised.reason) { () throws(RuntimeError) in
      try ParameterBinding(parameters, in: checkpoint, choices: choices)
    }
    try quantised.refuseBound(binding)
    var builder = BindingBuilder(checkpoint, binding, userLayout: choices.layout)
    for operation in adapter.operations { try builder.append(operation) }
    guard builder.undecided.isEmpty else { throw .undecidedLayout(builder.undecided) }
    let resolution = try TieResolution(builder.slots, of: adapter, in: checkpoint, choices)
    for tensor in resolution.tensors { try Self.checkType(tensor) }
    var adapter = adapter
    adapter.operations = builder.operations
    self.adapter = adapter
    tensors = resolution.tensors
    isUntied = resolution.isUntied
    shared = resolution.shared
    notes = builder.notes + resolution.notes
    rule = binding.rule
  }

  /// What is no float can only be given a value of its own type; a stack of weights is cut for stacks
  /// only.
  static func checkType(_ tensor: AdaptedTensor) throws(RuntimeError) {
    let strangers = tensor.changes.filter { !$0.operation.isForStacks($0.part) }
    if strangers.count < tensor.changes.count, let stranger = strangers.first,
      tensor.changes.contains(where: { $0.operation.isOnStack($0.part) })
    {
      throw .notMergeable(
        "\(tensor.info.name) is a stack of weights, and \(stranger.operation.name) is not for one")
    }
    for change in tensor.changes {
      guard case .replace(let replace) = change.operation else { continue }
      let isWhole = tensor.changes.count == 1 && replace.value.type == tensor.info.type
      guard isWhole || (replace.value.type.isFloat && tensor.info.type.isFloat) else {
        throw .type(tensor.info.name, tensor.info.type, by: replace.value.type)
      }
    }
    let isReplaced = tensor.changes.contains {
      switch $0.operation {
      case .replace, .restore: true
      default: false
      }
    }
    guard isReplaced || tensor.info.type.isFloat else {
      throw .type(tensor.info.name, tensor.info.type, by: nil)
    }
  }

  /// The parameters that are changed, each with its operations.
  private static func parameters(
    of adapter: Adapter
  ) throws(RuntimeError) -> [ParameterBinding.Parameter] {
    var parameters: [ParameterBinding.Parameter] = []
    var places: [Name: Int] = [:]
    for operation in adapter.operations {
      if case .unsupported(_, let reason) = operation {
        throw .notMergeable("\(reason) is not supported")
      }
      guard let name = operation.target?.name else { continue }
      let place = places[name, default: parameters.count]
      if place == parameters.count {
        places[name] = place
        parameters.append(.init(name: name))
      }
      parameters[place].operations.append(operation)
    }
    return parameters
  }

  /// The stored tensors it changes, by the names under which the adapter recorded them: those it was
  /// bound to at conversion, or the targets themselves.
  func targets(recordedBy adapter: Adapter) -> [Name: Name] {
    var recorded: [Name: Name] = [:]
    for (before, after) in zip(adapter.operations, self.adapter.operations) {
      guard let then = before.target?.bound, let now = after.target?.bound else { continue }
      for (index, name) in now.enumerated() {
        recorded[then.count == now.count ? then[index] : name] = name
      }
    }
    return recorded
  }
}

extension BoundAdapter {
  /// The adapter with the base recorded in it: its fingerprint and its architecture.
  ///
  /// - Throws: `RuntimeError.checkpoint` where the base cannot be read.
  public func recordingBase(_ checkpoint: Checkpoint) throws(RuntimeError) -> Adapter {
    var adapter = adapter
    var base =
      adapter.base ?? BaseRecord(name: nil, revision: nil, architecture: nil, fingerprint: nil)
    base.architecture = checkpoint.config?.architecture ?? base.architecture
    base.fingerprint = try FingerprintRecord(
      of: checkpoint, targets: tensors.compactMap(\.origin?.info.name))
    adapter.base = base
    return adapter
  }
}

extension Operation {
  /// Whether this part of it sees its tensor as a stack of matrices.
  fileprivate func isOnStack(_ part: ParameterChange.Part) -> Bool {
    if case .region = part { return true }
    guard case .addLowRank(let low) = self, case .whole = part else { return false }
    return low.experts != nil
  }

  /// Whether this part of it may meet one that does.
  fileprivate func isForStacks(_ part: ParameterChange.Part) -> Bool {
    switch self {
    case .add, .replace: true
    default: isOnStack(part)
    }
  }
}
