public import Adapters
internal import Checkpoints
internal import Storage
public import StrictJSON

/// Where the parameters that an adapter names are in a base (Spec/adp-v1.md, section 8).
struct ParameterBinding {
  /// How they were found.
  let rule: NameBinding.Rule
  private let places: [Name: Place]

  /// Where one parameter is.
  enum Place {
    /// It is a stored tensor; `name` is the parameter's own name in the base, which is another for
    /// one that is tied to it.
    case stored(StoredTensor, name: Name)
    /// It is a stack of stored tensors.
    case parts([(tensor: StoredTensor, part: ExpertViews.Part)])
    /// It is some rows of a stored stack.
    case region(StoredTensor, rows: Range<Int>)
    /// The base does not have it; this would be its name.
    case absent(Name)
  }

  /// The operations on one parameter.
  struct Parameter {
    let name: Name
    var operations: [Adapters.Operation] = []

    /// The one tensor that was recorded for it.
    var hint: Name? {
      let bound = operations.first?.target?.bound ?? []
      return bound.count == 1 ? bound.first : nil
    }

    /// Whether a base may lack it.
    func canBeAbsent(_ choices: BindingChoices) -> Bool {
      switch operations.first {
      case .replace(let replace): replace.absent != .refuse
      case .add: choices.missingBias == .create && name.hasSuffix("bias")
      default: false
      }
    }

    /// Whether the operations fit a stored tensor, one after the other.
    func fits(_ shape: [Int]) -> Bool {
      var shape = shape
      for operation in operations {
        guard let payload = operation.payload else { return false }
        let layouts: [Layout] = operation.target?.layout == nil ? [.outIn] : [.outIn, .inOut]
        guard layouts.contains(where: { payload.extent.fits(shape, $0) }) else { return false }
        if case .replace(let replace) = operation { shape = replace.value.shape }
      }
      return true
    }
  }

  private let checkpoint: Checkpoint

  init(
    _ parameters: [Parameter], in checkpoint: Checkpoint, choices: BindingChoices
  ) throws(RuntimeError) {
    self.checkpoint = checkpoint
    let byName = Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, $0) })
    for name in choices.names.keys.sorted() where byName[name] == nil {
      throw .notMergeable("--map \(name): the adapter does not change it")
    }
    try Self.checkShapes(parameters.filter { choices.names[$0.name] == nil }, checkpoint)
    let required = parameters.filter { !$0.canBeAbsent(choices) }
    let binding: NameBinding
    do throws(NameBinding.Failure) {
      // A parameter that may be absent should be found where it is there.
      if let all = try? Self.bind(parameters, byName, checkpoint, choices) {
        binding = all
      } else {
        binding = try Self.bind(required, byName, checkpoint, choices)
      }
    } catch {
      throw .binding(error)
    }
    rule = binding.rule
    var places: [Name: Place] = [:]
    for parameter in parameters {
      places[parameter.name] = Self.place(of: parameter, binding, checkpoint)
    }
    self.places = places
  }

  subscript(_ name: Name) -> Place { places[name] ?? .absent(name) }

  private static func bind(
    _ parameters: [Parameter], _ byName: [Name: Parameter], _ checkpoint: Checkpoint,
    _ choices: BindingChoices
  ) throws(NameBinding.Failure) -> NameBinding {
    let hints = Dictionary(
      uniqueKeysWithValues: parameters.compactMap { parameter in
        parameter.hint.map { (parameter.name, $0) }
      })
    return try NameBinding(
      parameters.map(\.name).sorted(), hints: hints, given: choices.names, in: checkpoint
    ) { target, name in
      guard let parameter = byName[target] else { return false }
      if let stored = checkpoint.tensor(name) {
        return parameter.fits(stored.info.shape.dimensions)
      }
      return view(of: parameter, name, checkpoint) != nil
    }
  }

  /// A target that is there under its own name has been found: if its shape is another, the base is
  /// the wrong one, and no other name can mend that.
  private static func checkShapes(
    _ parameters: [Parameter], _ checkpoint: Checkpoint
  ) throws(RuntimeError) {
    for parameter in parameters {
      guard let stored = checkpoint.tensor(parameter.name)?.info,
        !parameter.fits(stored.shape.dimensions), let first = parameter.operations.first,
        let extent = first.payload?.extent
      else { continue }
      throw .shape(
        parameter.name, expected: extent.description(first.target?.layout ?? .outIn),
        found: stored.shape)
    }
  }

  private static func place(
    of parameter: Parameter, _ binding: NameBinding, _ checkpoint: Checkpoint
  ) -> Place {
    let own = binding.renamed(parameter.name)
    // A name that the rung does not make is one that the user gave.
    let isGiven =
      binding.stored[parameter.name].map { name in
        name != own && TiedNames.stored(for: own, in: checkpoint) != name
      } ?? false
    let candidates = [
      binding.stored[parameter.name], own, TiedNames.stored(for: own, in: checkpoint),
    ]
    for name in candidates.compactMap(\.self) {
      if let stored = checkpoint.tensor(name), parameter.fits(stored.info.shape.dimensions) {
        return .stored(stored, name: binding.rule == .bound || isGiven ? name : own)
      }
    }
    return view(of: parameter, own, checkpoint) ?? .absent(own)
  }

  /// Where experts are stacked in one and lie one by one in the other.
  private static func view(
    of parameter: Parameter, _ name: Name, _ checkpoint: Checkpoint
  ) -> Place? {
    guard parameter.operations.count == 1, case .addLowRank(let low) = parameter.operations[0],
      low.magnitude == nil
    else { return nil }
    guard let experts = low.experts else {
      guard
        let (stored, rows) = ExpertViews.region(
          of: name, rows: low.outputCount, columns: low.inputCount, in: checkpoint),
        let tensor = checkpoint.tensor(stored)
      else { return nil }
      return .region(tensor, rows: rows)
    }
    // Tensors of one expert are ordinary linear layers.
    let parts = ExpertViews.parts(
      of: name, experts: experts, rows: low.outputCount, columns: low.inputCount, in: checkpoint)
    return parts.map { parts in
      .parts(parts.compactMap { part in checkpoint.tensor(part.stored).map { ($0, part) } })
    }
  }
}

/// What the user decides where a base leaves a question open.
public struct BindingChoices: Sendable, Hashable {
  /// How square weights are stored that nothing else decides.
  public var layout: Layout?
  /// For targets that are not found, or not where they should be, the stored tensor that is meant.
  public var names: [Name: Name]
  /// What happens to a change of a bias that the base does not have.
  public var missingBias: MissingBias
  /// What happens where parameters that share a tensor get different changes.
  public var ties: Ties

  /// A change of a bias that the base does not have.
  public enum MissingBias: Sendable, Hashable {
    /// It ends the work with an error.
    case refuse
    /// The bias is made, from zeros.
    case create
  }

  /// Different changes of parameters that share a tensor.
  public enum Ties: Sendable, Hashable {
    /// They end the work with an error.
    case refuse
    /// Each parameter gets a tensor of its own.
    case untie
  }

  /// Leaves everything to the base.
  public init(
    layout: Layout? = nil, names: [Name: Name] = [:], missingBias: MissingBias = .refuse,
    ties: Ties = .refuse
  ) {
    self.layout = layout
    self.names = names
    self.missingBias = missingBias
    self.ties = ties
  }
}
