internal import Operations
internal import StrictJSON

/// The parameter that a wrapped module's change is for.
struct PEFTPlace {
  var target: Target
  /// The name that `rank_pattern` and `alpha_pattern` are matched against.
  let patternName: Name
  /// True if PEFT applies the change twice.
  let isAppliedTwice: Bool
  /// True if it is one of `target_parameters`.
  let isStack: Bool

  /// Experts in a stack; nil for a single weight.
  func experts(_ a: TypedOperand, _ rank: Int) -> Int? {
    isStack && a.shape[0] > rank ? a.shape[0] / rank : nil
  }
}

/// The places of all modules of an adapter.
struct PEFTPlaces {
  private let parents: Set<Name>
  /// `target_parameters`: the module, which may be empty, and the parameter in it.
  private let parameters: [(parent: Name, leaf: String)]
  /// How deep the wrappers of each module are, the outermost first.
  private let depths: [Name: [Int]]
  /// Which modules are ordinary layers.
  private let layers: PEFTCoverage

  init(_ config: PEFTConfig, _ modules: [PEFTTensors.Module]) throws {
    parents = Set(modules.compactMap(\.parent))
    parameters = try config.texts("target_parameters").compactMap { entry in
      let parts = entry.split(separator: ".").map(String.init)
      return parts.last.map { (Name(parts.dropLast().joined(separator: ".")), $0) }
    }
    layers = config.coverage("target_modules")
    depths = Dictionary(grouping: modules, by: \.name).mapValues {
      $0.map(\.depth).sorted(by: >)
    }
  }

  func place(of module: PEFTTensors.Module) throws -> PEFTPlace {
    if let parent = module.parent, module.name == Name("\(parent).out_proj") {
      return PEFTPlace(
        target: Target(Name("\(module.name).weight"), layout: .outIn, layoutSource: .sure),
        patternName: parent, isAppliedTwice: true, isStack: false)
    }
    if parents.contains(module.name) {
      return PEFTPlace(
        target: Target(Name("\(module.name).in_proj_weight"), layout: .outIn, layoutSource: .sure),
        patternName: module.name, isAppliedTwice: false, isStack: false)
    }
    if let parameter = try parameter(of: module) {
      return PEFTPlace(
        target: Target(parameter, layout: .unresolved), patternName: parameter,
        isAppliedTwice: false, isStack: true)
    }
    guard module.depth == 0 else {
      throw InteropError.tensors(
        "\(module.name) is wrapped more than once, and nothing says by what")
    }
    return PEFTPlace(
      target: Target(Name("\(module.name).weight")), patternName: module.name,
      isAppliedTwice: false, isStack: false)
  }

  /// The order in which modules declare their parameters: the first is wrapped innermost.
  static let declarationOrder = ["gate_up_proj", "gate_up_proj_bias", "down_proj"]

  /// The parameter that `target_parameters` means for a wrapper: the tensors' names do not say it.
  private func parameter(of module: PEFTTensors.Module) throws -> Name? {
    let named = parameters.filter { parent, _ in
      !parent.text.isEmpty && (module.name == parent || module.name.hasSuffix(Name(".\(parent)")))
    }.map(\.leaf)
    // What names the module says more than a bare name, which every module could have.
    let leaves = named.isEmpty ? parameters.filter { $0.parent.text.isEmpty }.map(\.leaf) : named
    guard !leaves.isEmpty else { return nil }
    // And where it is one of the layers, it is that.
    if named.isEmpty, layers.covers(module.name) == true { return nil }
    let depths = depths[module.name] ?? []
    let known = Self.declarationOrder.filter(leaves.contains)
    let ordered = leaves.count == 1 ? leaves : known
    guard ordered.count == leaves.count, let place = depths.firstIndex(of: module.depth),
      depths.count == ordered.count
    else {
      let names = leaves.prefix(4).joined(separator: ", ")
      throw InteropError.tensors(
        "\(module.name): nothing says which of \(names) its tensors are for")
    }
    return Name("\(module.name).\(ordered[place])")
  }
}
