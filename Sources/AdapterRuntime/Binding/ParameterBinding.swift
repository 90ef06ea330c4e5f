internal import Operations
internal import Checkpoints
internal import Storage
internal import StrictJSON

/// Where the parameters that an adapter names are in a base (Spec/adp-v1.md, 8.23).
struct ParameterBinding {
  /// How they were found.
  let rule: NameBinding.Rule
  private let places: [Name: Place]

  /// Where one parameter is.
  enum Place {
    /// It is a stored tensor; `name` is the parameter's own name in the base, which is another for
    /// one that is tied to it.
    case stored(StoredTensor, name: Name)
    /// It is a stack of stored tensors, each an expert's or a part of one.
    case parts([(tensor: StoredTensor, part: ExpertStack.Part)], Layout)
    /// It is a stack of stored tensors, and nothing says whether the stack is stored transposed.
    case undecidedParts
    /// It is some rows of a stored stack.
    case region(StoredTensor, rows: Range<Int>)
    /// The base does not have it; this would be its name.
    case absent(Name)
  }

  /// The operations on one parameter.
  struct Parameter {
    let name: Name
    var operations: [Operation] = []

    /// The one tensor that was recorded for it.
    var hint: Name? {
      let bound = operations.first?.target?.bound ?? []
      return bound.count == 1 ? bound.first : nil
    }

    /// Returns true if a base may lack it.
    func canBeAbsent(_ choices: BindingChoices) -> Bool {
      switch operations.first?.kind?.laws.absence {
      case .skip, .make: true
      case .makeBias: choices.missingBias == .create && name.hasSuffix("bias")
      case .refuse, nil: false
      }
    }

    /// Returns true if the operations fit a stored tensor, one after the other.
    func fits(_ shape: [Int]) -> Bool { misfit(shape) == nil }

    /// The first operation that does not fit, and the shape that it meets; nil where all do.
    func misfit(_ shape: [Int]) -> (operation: Operation, shape: [Int])? {
      var shape = shape
      for operation in operations {
        guard operation.fits(shape) else { return (operation, shape) }
        if let value = operation.kind?.laws.manner.value { shape = value.shape }
      }
      return nil
    }
  }

  /// A base and what its family says of it, looked up once.
  private struct Base {
    let checkpoint: Checkpoint
    let ties: TiedParameters
    let familyNames: FamilyNames
    let stacks: [ExpertStack]
    let sizes: StackSizes

    /// Returns true if a parameter's operations fit a stored tensor, as it is or as an earlier adapter sizes it.
    func fits(_ parameter: Parameter, _ stored: StoredTensor) -> Bool {
      let own = stored.info.shape.dimensions
      return parameter.fits(own)
        || sizes[stored.info.name].map { parameter.fits($0.dimensions) } ?? false
    }
  }

  init(
    _ parameters: [Parameter], in checkpoint: Checkpoint, choices: BindingChoices,
    sizes: StackSizes
  ) throws {
    let base = Base(
      checkpoint: checkpoint, ties: TiedParameters(checkpoint),
      familyNames: FamilyNames(checkpoint), stacks: checkpoint.expertStacks, sizes: sizes)
    let byName = Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, $0) })
    try Self.checkShapes(parameters.filter { choices.names[$0.name] == nil }, base)
    try Self.checkGiven(parameters, base, choices)
    let required = parameters.filter { !$0.canBeAbsent(choices) }
    let binding: NameBinding
    do throws(NameBinding.Failure) {
      binding = try Self.bind(required, byName, base, choices)
    } catch {
      throw AdapterError.binding(error)
    }
    var places: [Name: Place] = [:]
    var rule = binding.rule
    for parameter in parameters {
      // What may be absent says nothing of the others, but where nothing else is there it is all there
      // is to go by.
      guard required.isEmpty, let own = try? Self.bind([parameter], byName, base, choices)
      else {
        places[parameter.name] = Self.place(of: parameter, binding, base, choices)
        continue
      }
      if own.rule != .exact { rule = own.rule }
      places[parameter.name] = Self.place(of: parameter, own, base, choices)
    }
    self.rule = rule
    self.places = places
    try checkCollisions(but: choices.names)
  }

  /// Two targets are not one parameter of the base ([BND-1]), unless the user says so.
  private func checkCollisions(but given: NameMap) throws {
    var owners = Set<Name>(minimumCapacity: places.count)
    var twice: Set<Name> = []
    for case (let target, .stored(_, let name)) in places where given[target] == nil {
      if !owners.insert(name).inserted { twice.insert(name) }
    }
    guard let name = twice.min() else { return }
    let targets = places.compactMap { target, place -> (target: Name, stored: Name)? in
      guard case .stored(let stored, name) = place, given[target] == nil else { return nil }
      return (target, stored.info.name)
    }.sorted { $0.target < $1.target }
    throw AdapterError.binding(
      .collision(targets[0].target, targets[1].target, stored: targets[1].stored))
  }

  subscript(_ name: Name) -> Place { places[name] ?? .absent(name) }

  private static func bind(
    _ parameters: [Parameter], _ byName: [Name: Parameter], _ base: Base,
    _ choices: BindingChoices
  ) throws(NameBinding.Failure) -> NameBinding {
    let hints = Dictionary(
      uniqueKeysWithValues: parameters.compactMap { parameter in
        parameter.hint.map { (parameter.name, $0) }
      })
    return try NameBinding(
      parameters.map(\.name).sorted(), hints: hints,
      given: choices.names.given(for: parameters.map(\.name)), in: base.checkpoint,
      base.ties
    ) { target, name in
      guard let parameter = byName[target] else { return false }
      if let stored = base.checkpoint.tensor(name) {
        return base.fits(parameter, stored)
      }
      return view(of: parameter, name, base, choices) != nil
    }
  }

  /// Refuses a stored tensor that the user gives for a parameter, if the base has it and it does not fit.
  private static func checkGiven(
    _ parameters: [Parameter], _ base: Base, _ choices: BindingChoices
  ) throws {
    for parameter in parameters {
      guard let given = choices.names[parameter.name],
        let stored = base.checkpoint.tensor(given), !base.fits(parameter, stored)
      else { continue }
      throw AdapterError.binding(.misfit(parameter.name, given: given))
    }
  }

  /// A target that is there under its own name, or else under the one it was bound to, has been found: if its shape is
  /// another, the base is the wrong one, and no other name can mend that.
  private static func checkShapes(
    _ parameters: [Parameter], _ base: Base
  ) throws {
    for parameter in parameters {
      let names = [parameter.name, parameter.hint].compactMap(\.self)
      guard let tensor = names.lazy.compactMap({ base.checkpoint.tensor($0) }).first,
        !base.fits(parameter, tensor), let misfit = parameter.misfit(tensor.info.shape.dimensions),
        let found = Shape(misfit.shape.map { UInt64($0) })
      else { continue }
      let layout = misfit.operation.target?.layout ?? .outIn
      throw AdapterError.shape(
        parameter.name, expected: misfit.operation.expectation(of: misfit.shape, layout),
        found: found)
    }
  }

  private static func place(
    of parameter: Parameter, _ binding: NameBinding, _ base: Base, _ choices: BindingChoices
  ) -> Place {
    let own = binding.renamed(parameter.name)
    let tied = base.ties.stored(for: own)
    // What may be absent was not looked for by the others' rung, which may be a prefix that it does not have.
    let inFamily = base.familyNames.stored(for: parameter.name)
    let given = choices.names[parameter.name]
    let candidates = [
      given, binding.stored[parameter.name], own, parameter.hint, tied, parameter.name, inFamily,
    ]
    for name in candidates.compactMap(\.self) {
      if let stored = base.checkpoint.tensor(name), base.fits(parameter, stored) {
        // A name of the base, unless it is that of what the parameter is tied to: then the tie must be seen.
        let isHint = (binding.rule == .bound || name == parameter.hint) && name != tied
        let isOwn =
          name == given || isHint || name == parameter.name
          || (name == inFamily && name != tied)
        return .stored(stored, name: isOwn ? name : base.ties.spelled(own))
      }
    }
    return view(of: parameter, own, base, choices)
      ?? .absent(given ?? newName(parameter, binding))
  }

  /// Returns the name for a parameter that is made. An additional prefix in the base says where a model lies in it, not
  /// that a head lies there too.
  private static func newName(_ parameter: Parameter, _ binding: NameBinding) -> Name {
    if case .prefix(let from, _) = binding.rule, from.text.isEmpty { return parameter.name }
    return binding.renamed(parameter.name)
  }

  /// Where experts are stacked in one and lie one by one in the other.
  private static func view(
    of parameter: Parameter, _ name: Name, _ base: Base, _ choices: BindingChoices
  ) -> Place? {
    guard parameter.operations.count == 1, let target = parameter.operations[0].target,
      let kind = parameter.operations[0].kind, kind.laws.canBeCut,
      let product = kind.lowRank?.product
    else { return nil }
    guard product.experts != nil else {
      guard target.layout != .inOut else { return nil }
      for stack in base.stacks {
        let found = stack.region(
          of: name, rows: product.outputCount, columns: product.inputCount, in: base.checkpoint)
        if let found, let tensor = base.checkpoint.tensor(found.stored) {
          return .region(tensor, rows: found.rows)
        }
      }
      return nil
    }
    return parts(of: product, target, name, base, choices)
  }

  /// The parts of a stack, by the layout that their shapes show; of square ones, by what is recorded, or
  /// the user says.
  private static func parts(
    of low: LowRankProduct, _ target: Target, _ name: Name, _ base: Base, _ choices: BindingChoices
  ) -> Place? {
    let recorded = target.layout == .unresolved ? choices.layout : target.layout
    let isSquare = low.outputCount == low.inputCount
    var found: (parts: [ExpertStack.Part], layout: Layout)?
    for layout in [Layout.outIn, .inOut] where !isSquare || layout == recorded ?? .outIn {
      let (rows, columns) =
        layout == .outIn
        ? (low.outputCount, low.inputCount) : (low.inputCount, low.outputCount)
      for stack in base.stacks {
        let parts = stack.parts(
          of: name, experts: low.experts ?? 1, rows: rows, columns: columns, in: base.checkpoint)
        guard let parts else { continue }
        found = (parts, layout)
        break
      }
    }
    guard let found else { return nil }
    guard !isSquare || recorded != nil else { return .undecidedParts }
    let tensors = found.parts.compactMap { part in
      base.checkpoint.tensor(part.stored).map { (tensor: $0, part: part) }
    }
    return .parts(tensors, found.layout)
  }
}
