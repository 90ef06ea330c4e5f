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
  /// The stored tensors to which it gives the values that they have: no change.
  let held: [Name]
  /// Names of one tensor that get the same change, once.
  public let shared: [[Name]]
  /// True if parameters that shared a tensor now have one each.
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
    try choices.checkNames([adapter])
    try self.init(adapter, to: checkpoint, choices: choices, sizes: StackSizes())
  }

  /// Binds an adapter to a base of which others, before it, have given some parameters another size.
  init(
    _ adapter: Adapter, to checkpoint: Checkpoint, choices: BindingChoices, sizes: StackSizes
  ) throws {
    let parameters = try Self.parameters(of: adapter)
    let quantised = QuantisedTargets(parameters, in: checkpoint)
    try quantised.refuseNamed(choices)
    let binding: ParameterBinding
    do {
      binding = try ParameterBinding(parameters, in: checkpoint, choices: choices, sizes: sizes)
    } catch let error as AdapterError {
      throw quantised.reason(of: error).naming(modelsOf: adapter, checkpoint)
    }
    try quantised.refuseBound(binding)
    var builder = BindingBuilder(
      adapter, checkpoint, binding, sizes, userLayout: choices.layout)
    do {
      for operation in adapter.operations { try builder.append(operation) }
    } catch let error as AdapterError {
      throw quantised.reason(of: error).naming(modelsOf: adapter, checkpoint)
    }
    guard builder.undecided.isEmpty else { throw AdapterError.undecidedLayout(builder.undecided) }
    let resolution = try TieResolution(builder.slots, of: adapter, in: checkpoint, choices)
    tensors = try resolution.tensors.map { try StackedParameter.checked($0, of: adapter) }
    var adapter = adapter
    adapter.operations = builder.operations
    self.adapter = adapter
    held = builder.held
    isUntied = resolution.isUntied
    shared = resolution.shared
    notes = builder.notes + Self.notes(ofHeld: builder.held) + resolution.notes
    rule = binding.rule
  }

  private static func notes(ofHeld names: [Name]) -> [String] {
    guard let first = names.first else { return [] }
    let whom = names.count == 1 ? "\(first) is" : "\(first) and \(names.count - 1) more are"
    return ["\(whom) given the values that the base has, which changes nothing"]
  }

  /// An adapter that is left out, whatever it holds ([STK-1]).
  init(leavingOut adapter: Adapter) {
    self.adapter = adapter
    tensors = []
    held = []
    isUntied = false
    shared = []
    notes = []
    rule = .exact
  }

  /// Checks that a tensor that is not float is only given a value of its own type ([BND-4]), that bits are restored only
  /// where they fit ([RES-2]), and that a stack of weights gets only operations for stacks.
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
    guard tensor.info.type.isFloat || tensor.operations.contains(where: \.givesValue) else {
      throw AdapterError.type(name, tensor.info.type, by: nil)
    }
    for restore in tensor.operations.compactMap({ $0.operation.as(Restore.self) })
    where !restore.fits(tensor.info.type) {
      throw AdapterError.type(name, tensor.info.type, by: restore.difference.type)
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
    let bound = adapter.operations.flatMap { $0.target?.bound ?? [] }
    base.fingerprint = try FingerprintRecord(
      of: checkpoint, targets: bound + tensors.compactMap(\.origin?.info.name),
      adapterOf: adapter.tensors.reduce(0) { $0 + $1.byteCount })
    adapter.base = base
    return adapter
  }
}

extension BoundOperation {
  /// True if it gives its tensor a value, which need not be float.
  fileprivate var givesValue: Bool { laws?.manner.value != nil }
}
