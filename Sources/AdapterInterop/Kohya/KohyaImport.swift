internal import AdapterFormat
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// A file of sd-scripts or LyCORIS as operations: what its modules compute in training, whatever a reader may make of
/// them.
///
/// | leaves of a module | here |
/// |---|---|
/// | `lora_down`, `lora_up`, `alpha` | `add_low_rank`, scale alpha / rank; 1 without alpha, or with alpha 0 |
/// | and `lora_mid` | `add_kronecker` of [[1]] and the product around the core |
/// | and `dora_scale` [out, 1, …] | `magnitude` |
/// | and `dora_scale` [1, in] | the transposed factors, `in_out`, and `magnitude` |
/// | `hada_*` | `add_hadamard` |
/// | `lokr_*` | `add_kronecker`; scale 1 where neither side is a product |
/// | `diff`, `diff_b`, `w_norm`, `b_norm` | `add` |
/// | `weight`, `on_input` | `multiply` by 1 + w |
struct KohyaImport {
  private let path: FilePath
  private var tensors: FactorTensors
  private var targets: ModuleTargets
  private var operations: [Operation] = []
  private var notes: [String] = []
  private var zeroAlphas = 0
  private var roundedCount = 0
  private var method = "lora"
  private let digest: Digest?

  /// - Throws: `InteropError` where anything of it is not understood.
  init(_ file: SafetensorsFile, _ path: FilePath, _ choices: ImportChoices) throws {
    self.path = path
    tensors = FactorTensors(file)
    targets = ModuleTargets(choices.base)
    digest = choices.recordsDigest ? try file.file.digest() : nil
    let dropped = choices.dropped
    try readModules { name in !dropped.contains { $0.matches(name) } }
    guard !operations.isEmpty else {
      throw InteropError(.malformed, at: .file(path), "nothing of it is left to change a weight")
    }
    if zeroAlphas > 0 {
      notes.append(
        "alpha 0 is read as the rank, a scale of 1, as in training (\(zeroAlphas) times)")
    }
    if roundedCount > 0 {
      notes.append("rounded: 1 added to the factors of IA3, in F32 (\(roundedCount) times)")
    }
    if file.header.metadata?.contains(where: { $0.value.contains("split_qkv") }) == true {
      notes.append(
        "trained with split_qkv, whose scale sd-scripts saves too low: this is what the file says")
    }
  }

  func result() throws -> ForeignImport {
    try ForeignImport(
      Adapter(
        name: "default", method: method, operations: operations, inert: [],
        source: SourceRecord(format: KohyaFormat.name, config: nil, digest: digest, header: nil),
        files: [], base: nil, tensors: tensors.contents),
      notes: notes, metadata: ModelSpec.entries(of: tensors.file.header.metadata ?? []))
  }

  // MARK: Modules

  /// One module of the file.
  struct Module {
    let key: KohyaKey
    var parts: [String: TensorInfo] = [:]

    /// Returns true if it has one of these leaves.
    func has(_ leaves: String...) -> Bool { leaves.contains { parts[$0] != nil } }
  }

  private mutating func readModules(_ isKept: (Name) -> Bool) throws {
    var order: [String] = []
    var modules: [String: Module] = [:]
    for info in tensors.infos where isKept(info.name) {
      guard let key = KohyaKey(info.name) else {
        throw InteropError(
          .unknown, at: .tensor(info.name),
          "not a tensor of sd-scripts or LyCORIS that is known")
      }
      if let reason = KohyaKey.refused[key.leaf] {
        throw InteropError(.unsupported, at: .tensor(info.name), reason)
      }
      if modules[key.module] == nil { order.append(key.module) }
      modules[key.module, default: Module(key: key)].parts[key.leaf] = info
    }
    for name in order {
      guard let module = modules[name] else { continue }
      try read(module)
    }
  }

  private mutating func read(_ module: Module) throws {
    var reader = KohyaModule(module, try places(of: module.key), try scalars(of: module))
    try reader.read(&tensors)
    operations += reader.operations
    if reader.isAlphaZero { zeroAlphas += 1 }
    if reader.isRounded { roundedCount += 1 }
    if let kind = reader.method, operations.count == reader.operations.count { method = kind }
    if let left = reader.left.sorted().first, let info = module.parts[left] {
      throw InteropError(
        .unknown, at: .tensor(info.name), "not a part of what else its module holds")
    }
  }

  /// The weights that a module is, of the part of a pipeline that its prefix says.
  private mutating func places(of key: KohyaKey) throws -> [ModulePlace] {
    let name = Name("\(key.module).\(key.leaf)")
    let all = key.prefix.components
    let component =
      all.count > 1
      ? targets.denoiser(
        isTransformer: ModulePaths.path(of: key.path).map(ModulePaths.isOfTransformer) ?? false)
      : all.first
    guard let places = try targets.places(flat: key.path, component, name) else {
      throw InteropError(
        .undecided(.base), at: .tensor(name),
        "kohya's names have lost their dots, and only the base's names show where they were")
    }
    return places
  }

  /// The values of `alpha` and `on_input`.
  private func scalars(of module: Module) throws -> [String: Double] {
    var values: [String: Double] = [:]
    for name in ["alpha", "on_input"] {
      guard let info = module.parts[name] else { continue }
      guard info.shape.count == 1,
        info.type.isFloat || [.i64, .i32, .u8, .bool].contains(info.type)
      else {
        throw InteropError(.malformed, at: .tensor(info.name), "\(info.shape) is not one number")
      }
      let bytes = try tensors.bytes(of: info)
      let value =
        info.type.isFloat
        ? [Double](widening: bytes, of: info.type)[0]
        : Double([Int](integers: bytes, of: info.type)[0])
      guard value.isFinite else {
        throw InteropError(.malformed, at: .tensor(info.name), "not a finite number")
      }
      values[name] = value
    }
    return values
  }
}
