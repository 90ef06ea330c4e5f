internal import AdapterFormat
internal import Operations
internal import Storage
internal import StrictJSON

/// The tensors of a PEFT file, module by module. Each is taken once: what nobody takes is an error.
struct PEFTTensors {
  /// One wrapped module and the tensors of the method that are its own.
  struct Module {
    let name: Name
    let depth: Int
    let parent: Name?
    fileprivate(set) var parts: [String: TensorInfo] = [:]
  }

  /// The modules, in the order in which the file shows them.
  private(set) var modules: [Module] = []
  /// Parameters of the model in full.
  private(set) var parameters: [(name: PEFTName, info: TensorInfo)] = []
  private(set) var inert: [AdapterRecord.InertTensor] = []
  /// The tensors that are left out of the adapter.
  private(set) var leftOut: [Name] = []
  /// Tensors that stand for those of the file, of which they are copies in a type that operations take.
  private(set) var widened: [WidenedTensor] = []
  /// Bytes of all tensors.
  let byteCount: UInt64
  private var taken: Set<Name> = []

  private struct Place: Hashable {
    let module: Name
    let depth: Int
  }

  /// - Parameters:
  ///   - infos: the file's tensors.
  ///   - parts: the words that name parts of the method.
  /// - Throws: `InteropError.tensors` where two tensors are for one part.
  init(_ infos: [TensorInfo], parts: Set<String>) throws {
    byteCount = infos.reduce(0) { $0 + UInt64($1.byteCount) }
    var places: [Place: Int] = [:]
    let adapter = try PEFTAdapterNames(in: infos.map(\.name), parts: parts).only()
    for info in infos {
      let name = PEFTName(info.name, parts: parts, adapter: adapter)
      guard case .part(let part, let leaf) = name.kind else {
        parameters.append((name, info))
        continue
      }
      let place = Place(module: name.module, depth: name.depth)
      let index = places[place, default: modules.count]
      if index == modules.count {
        modules.append(Module(name: name.module, depth: name.depth, parent: name.parent))
        places[place] = index
      }
      let key = leaf.isEmpty || leaf == "weight" ? part : "\(part).\(leaf)"
      guard modules[index].parts.updateValue(info, forKey: key) == nil else {
        throw InteropError.tensors("two tensors for one part: \(info.name)")
      }
    }
  }

  /// A part of a module, which the method needs.
  mutating func take(_ part: String, of module: Module) throws -> TypedOperand {
    guard let operand = try takeIfThere(part, of: module) else {
      let other = module.parts.keys.sorted().joined(separator: " and ")
      throw InteropError.tensors("\(module.name) has \(other) and no \(part)")
    }
    return operand
  }

  /// A part of a module, where it is there.
  mutating func takeIfThere(
    _ part: String, of module: Module
  ) throws -> TypedOperand? {
    guard let info = module.parts[part] else { return nil }
    return try take(info)
  }

  /// A tensor of the file by its own name, where it is there, for any number of uses.
  mutating func shared(_ name: Name) throws -> TensorInfo? {
    guard let info = parameters.first(where: { $0.name.module == name })?.info else { return nil }
    guard WidenedTensor(of: info) == nil else { throw InteropError.eightBit(info) }
    taken.insert(info.name)
    return info
  }

  mutating func take(_ info: TensorInfo) throws -> TypedOperand {
    TypedOperand(usable(info))
  }

  /// The tensor, or what stands for it where operations do not take its type.
  private mutating func usable(_ info: TensorInfo) -> TensorInfo {
    let isNew = taken.insert(info.name).inserted
    guard let copy = WidenedTensor(of: info) else { return info }
    if isNew {
      widened.append(copy)
      inert.append(.init(tensor: info.name, reason: copy.reason))
    }
    return copy.info
  }

  /// A tensor that nothing uses once the adapter is trained.
  mutating func setAside(_ info: TensorInfo, reason: String) {
    taken.insert(info.name)
    inert.append(.init(tensor: info.name, reason: reason))
  }

  /// A part of a tensor that nothing uses, while another part of it is used.
  mutating func noteUnused(_ info: TensorInfo, window: [Range<Int>], reason: String) {
    inert.append(.init(tensor: info.name, window: window, reason: reason))
  }

  /// Parts of a module that nothing uses.
  mutating func setAside(
    _ module: Module, reason: String, where isInert: (String) -> Bool
  ) {
    for (part, info) in module.parts.sorted(by: { $0.key < $1.key }) where isInert(part) {
      setAside(info, reason: reason)
    }
  }

  /// Leaves a tensor out, as if it were not there.
  mutating func leaveOut(_ info: TensorInfo) {
    taken.insert(info.name)
    leftOut.append(info.name)
  }

  /// - Throws: `unknownTensor` for the first that nobody has taken.
  func checkAllTaken() throws {
    for module in modules {
      for (part, info) in module.parts.sorted(by: { $0.key < $1.key })
      where !taken.contains(info.name) {
        throw InteropError.unknownTensor(
          info.name, "\(part) is not a part that the method has here")
      }
    }
    try checkParametersTaken()
  }

  /// The parameters that are no part of the method, and that nobody has taken.
  ///
  /// - Parameter shared: matrices that all modules share, which have no module and are taken where their
  ///   method is read.
  /// - Returns: what the file calls them, and what they are.
  func parametersLeft(except shared: Set<Name> = []) -> [(name: PEFTName, info: TensorInfo)] {
    parameters.filter { !taken.contains($0.info.name) && !shared.contains($0.name.module) }
  }

  /// - Throws: `unknownTensor` for the first of them.
  func checkParametersTaken(except shared: Set<Name> = []) throws {
    guard let (_, info) = parametersLeft(except: shared).first else { return }
    throw InteropError.unknownTensor(
      info.name,
      "not understood: no part of the method, and no parameter that the configuration names")
  }
}

extension PEFTTensors.Module {
  /// The weight of the module.
  var weight: Target { Target(Name("\(name).weight")) }
}
