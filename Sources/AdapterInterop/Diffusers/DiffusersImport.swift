internal import AdapterFormat
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// A LoRA of diffusers as operations.
///
/// | the file | here |
/// |---|---|
/// | `C.M.lora_A.weight`, `C.M.lora_B.weight` | `add_low_rank` on `C.M.weight` |
/// | `C.M.lora_magnitude_vector` | `magnitude` |
/// | `C.M.lora_B.bias` | `add` on `C.M.bias` |
/// | `lora_adapter_metadata`, else `C.M.alpha` / rank, else 1 | `scale` |
struct DiffusersImport {
  private let path: FilePath
  private let choices: ImportChoices
  private let configs: [PipelineComponent?: DiffusersConfig]
  private var tensors: FactorTensors
  private var targets: ModuleTargets
  private var operations: [Operation] = []
  private var notes: [String] = []
  private let digest: Digest?

  /// - Throws: `InteropError` where anything of it is not understood.
  init(_ file: SafetensorsFile, _ path: FilePath, _ choices: ImportChoices) throws {
    (self.path, self.choices) = (path, choices)
    configs = try DiffusersConfig.all(in: file.header.metadata ?? [])
    tensors = FactorTensors(file)
    targets = ModuleTargets(choices.base)
    digest = choices.recordsDigest ? try file.file.digest() : nil
    for module in try modules() { try add(module) }
    guard !operations.isEmpty else {
      throw InteropError(.malformed, at: .file(path), "nothing of it is left to change a weight")
    }
  }

  func result() throws -> ForeignImport {
    let metadata = (tensors.file.header.metadata ?? []).filter { $0.key != DiffusersConfig.key }
    return try ForeignImport(
      Adapter(
        name: "default", method: "lora", operations: operations, inert: [],
        source: SourceRecord(
          format: DiffusersFormat.name, config: nil, digest: digest, header: nil),
        files: [], base: nil, tensors: tensors.contents),
      notes: notes, metadata: ModelSpec.entries(of: metadata))
  }

  // MARK: Modules

  private struct Place: Hashable {
    let component: PipelineComponent?
    let module: String
  }

  private struct Module {
    let place: Place
    var parts: [DiffusersKey.Part: TensorInfo] = [:]
  }

  private func modules() throws -> [Module] {
    var order: [Place] = []
    var modules: [Place: Module] = [:]
    for info in tensors.infos where !choices.dropped.contains(where: { $0.matches(info.name) }) {
      guard let key = DiffusersKey(info.name) else {
        throw InteropError(
          .unknown, at: .tensor(info.name), "not a part of a LoRA that diffusers knows")
      }
      let place = Place(component: key.component ?? choices.component, module: key.module)
      if modules[place] == nil { order.append(place) }
      guard
        modules[place, default: Module(place: place)].parts.updateValue(info, forKey: key.part)
          == nil
      else {
        throw InteropError(
          .malformed, at: .tensor(info.name), "another tensor is for the same part")
      }
    }
    return order.compactMap { modules[$0] }
  }

  private mutating func add(_ module: Module) throws {
    let parts = module.parts
    guard let a = parts[.a], let b = parts[.b] else {
      let some = parts.values.first?.name ?? Name(module.place.module)
      throw InteropError(.malformed, at: .tensor(some), "half a pair: the other factor is missing")
    }
    let (down, up) = (a.shape.dimensions, b.shape.dimensions)
    guard down.count >= 2, up.count >= 2, down[0] == up[1], down[0] > 0,
      up.dropFirst(2).allSatisfy({ $0 == 1 })
    else {
      throw InteropError(
        .malformed, at: .tensor(a.name),
        "\(a.shape) and \(b.shape) of the other factor are not a pair")
    }
    guard let component = module.place.component else {
      throw InteropError(
        .undecided(.component), at: .tensor(a.name),
        "nothing says which part of a pipeline it is of")
    }
    let places = try targets.places(dotted: module.place.module, component, a.name)
    let scale = try scale(of: module, rank: down[0])
    let kernel = kernel(Array(down.dropFirst()), places)
    var low = AddLowRank(
      target: Target(
        places[0].target.name, layout: .outIn, layoutSource: kernel.count > 1 ? .sure : .guessed),
      a: try tensors.take(a, as: [down[0]] + kernel),
      b: try tensors.take(
        b, as: [up[0], down[0]] + kernel.dropFirst().map { _ in 1 },
        rows: places.rowOrder(up[0])), scale: scale)
    low.magnitude = try parts[.magnitude].map { info in
      guard places.rowOrder(up[0]) == nil, info.shape.count == up[0] else {
        throw InteropError(
          .unsupported, at: .tensor(info.name), "\(info.shape) is not a norm for each output")
      }
      return try tensors.take(info, as: [up[0]])
    }
    for part in places.split(low) { operations.append(try Operation(part)) }
    if let bias = parts[.bias] { try add(bias, scale: scale, places) }
  }

  /// The dimensions of A behind its rank: the base's, where one of the two is 1 × 1 and the other a matrix.
  private func kernel(_ own: [Int], _ places: [ModulePlace]) -> [Int] {
    guard let stored = places[0].stored, own.dropFirst().allSatisfy({ $0 == 1 }),
      stored.count > 1, stored.dropFirst(2).allSatisfy({ $0 == 1 }), stored[1] == own[0]
    else { return own }
    return Array(stored.dropFirst())
  }

  private mutating func add(
    _ info: TensorInfo, scale: Double, _ places: [ModulePlace]
  ) throws {
    guard let place = places.single, let bias = place.target.bias else {
      throw InteropError(
        .unsupported, at: .tensor(info.name), "the base has the biases in other parts")
    }
    var target = Target(bias)
    target.bound = place.target.bound.compactMap { Target.bias(beside: $0) }
    operations.append(
      try Operation(Add(target: target, delta: try tensors.take(info), scale: scale)))
  }

  // MARK: Scale

  /// PEFT's rule where the metadata have the component, the tensor `alpha` over the rank, or 1.
  private mutating func scale(of module: Module, rank: Int) throws -> Double {
    let place = module.place
    let config = configs[place.component] ?? configs[nil]
    let stated = try module.parts[.alpha].map { info -> Double in
      guard info.shape.count == 1, info.type.isFloat,
        let alpha = try tensors.values(of: info).first, alpha.isFinite
      else { throw InteropError(.malformed, at: .tensor(info.name), "not one finite number") }
      return alpha / Double(rank)
    }
    guard let config else {
      if stated == nil, configs.isEmpty, !notes.contains(Self.assumed) {
        notes.append(Self.assumed)
      }
      return stated ?? 1
    }
    if config.usesMagnitudes != (module.parts[.magnitude] != nil)
      || config.hasBiases != (module.parts[.bias] != nil)
    {
      throw InteropError(
        .malformed, at: .tensor(Name(place.module)),
        "use_dora and lora_bias of \(DiffusersConfig.key) say otherwise than the tensors")
    }
    let scale = try config.scale(of: place.module, rank: rank)
    if let stated, stated != scale {
      throw InteropError(
        .malformed, at: .tensor(Name(place.module + ".alpha")),
        "a scale of \(stated), and \(DiffusersConfig.key) says \(scale)")
    }
    return scale
  }

  private static let assumed =
    "nothing in the file says the scale: 1, as diffusers takes it"
}
