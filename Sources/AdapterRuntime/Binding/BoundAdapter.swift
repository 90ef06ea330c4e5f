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
  /// - Throws: `AdapterError` where an operation cannot be applied, or a target is missing, of
  ///   another shape or type, or of an undecided layout.
  public init(
    _ adapter: Adapter, to checkpoint: Checkpoint, choices: BindingChoices = BindingChoices()
  ) throws {
    let parameters = try Self.parameters(of: adapter)
    let quantised = QuantisedTargets(parameters, in: checkpoint)
    try quantised.refuseNamed(choices)
    let binding: ParameterBinding
    do {
      binding = try ParameterBinding(parameters, in: checkpoint, choices: choices)
    } catch let error as AdapterError {
      throw quantised.reason(of: error)
    }
    try quantised.refuseBound(binding)
    var builder = BindingBuilder(checkpoint, binding, userLayout: choices.layout)
    for operation in adapter.operations { try builder.append(operation) }
    guard builder.undecided.isEmpty else { throw AdapterError.undecidedLayout(builder.undecided) }
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
  static func checkType(_ tensor: AdaptedTensor) throws {
    let name = tensor.info.name
    let strangers = tensor.operations.filter { !$0.seesStack && $0.laws?.stacks != .any }
    if let stranger = strangers.first, tensor.operations.contains(where: \.seesStack) {
      throw AdapterError.notMergeable(
        "\(name) is a stack of weights, and \(stranger.operation.name) is not for one", at: name)
    }
    for value in tensor.operations.compactMap(\.laws?.manner.value) {
      let isWhole = tensor.operations.count == 1 && value.type == tensor.info.type
      guard isWhole || (value.type.isFloat && tensor.info.type.isFloat) else {
        throw AdapterError.type(name, tensor.info.type, by: value.type)
      }
    }
    guard tensor.info.type.isFloat || tensor.operations.contains(where: \.takesAnyType) else {
      throw AdapterError.type(name, tensor.info.type, by: nil)
    }
  }

  /// The parameters that are changed, each with its operations.
  private static func parameters(
    of adapter: Adapter
  ) throws -> [ParameterBinding.Parameter] {
    var parameters: [ParameterBinding.Parameter] = []
    var places: [Name: Int] = [:]
    for operation in adapter.operations {
      if let reason = operation.reasonNotApplied {
        throw AdapterError.notMergeable("\(reason) is not supported", kind: .unknownOperation)
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
  /// - Throws: `CheckpointError` where the base cannot be read.
  public func recordingBase(_ checkpoint: Checkpoint) throws -> Adapter {
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

extension BoundOperation {
  /// Whether the bytes of its tensor need not be floats.
  fileprivate var takesAnyType: Bool {
    switch laws?.manner {
    case .replaces, .restores: true
    case .adds, .transforms, .rotates, .replacesRows, .precedes, nil: false
    }
  }
}
