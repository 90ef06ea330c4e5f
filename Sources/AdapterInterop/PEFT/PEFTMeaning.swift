internal import AdapterFormat
internal import Operations
internal import Storage
internal import StrictJSON

/// The meaning of a PEFT adapter, as it is found out: operations in order, tensors without effect, notes.
struct PEFTMeaning {
  let config: PEFTConfig
  var tensors: PEFTTensors
  private(set) var operations: [Operation] = []
  /// Tensors that operations take and the file does not have.
  private(set) var derived: [DerivedTensor] = []
  private var derivedPlaces: [Name: Int] = [:]
  private var derivedByteCount: UInt64 = 0
  var notes: [String] = []

  var inert: [AdapterRecord.InertTensor] { tensors.inert }

  /// Finds out what a configuration and the tensors beside it mean. Their values are not looked at.
  ///
  /// - Parameters:
  ///   - config: the configuration.
  ///   - infos: the tensors.
  ///   - choices: what the user decides.
  ///   - isOfBase: whether a tensor that is not understood is the base's, which is no part of the adapter then.
  /// - Throws: `InteropError` where anything of them is not understood.
  init(
    of config: PEFTConfig, _ infos: [TensorInfo], _ choices: ImportChoices,
    isOfBase: (PEFTName, TensorInfo) throws -> Bool = { _, _ in false }
  ) throws {
    let method = config.method
    // Names are cut and compared in many ways: first of all they must not be too long for that.
    try AdapterRecord.checkTensors(infos)
    try config.checkSizes(tensors: infos.count)
    if let info = infos.first(where: { $0.name.hasPrefix(DerivedTensor.prefix) }) {
      throw InteropError.unknownTensor(
        info.name, "names that begin so are for tensors that are worked out")
    }
    let isUnknownFloat = { (info: TensorInfo) in
      info.type.rawValue.hasPrefix("F8_") && WidenedTensor(of: info) == nil
    }
    if let info = infos.first(where: isUnknownFloat) {
      throw InteropError.eightBit(info)
    }
    self.config = config
    // Any method may have trained tokens beside it.
    tensors = try PEFTTensors(infos, parts: method.parts.union(["trainable_tokens_delta"]))
    // What the user leaves out may be what the configuration promises.
    try addReplacements(areWhole: choices.dropped.isEmpty)
    try addTrainableTokens(method.tokenField, areWhole: choices.dropped.isEmpty)
    for (name, info) in tensors.parametersLeft(except: method.shared)
    where try isOfBase(name, info) {
      tensors.leaveOut(info)
    }
    try tensors.checkParametersTaken(except: method.shared)
    try method.read(&self, choices)
    noteUntargeted()
    try tensors.checkAllTaken()
    try addWidened()
  }

  mutating func append(_ payload: some OperationKind) throws {
    operations.append(
      try Operation(payload))
  }

  /// Adds a tensor, F32, that is worked out of the file's, and gives it as an operand.
  ///
  /// - Parameters:
  ///   - name: its name, without the prefix of such tensors.
  ///   - shape: its shape.
  ///   - values: its elements, of the file.
  /// - Returns: all of it.
  /// - Throws: `InteropError` where it is too large for a file of this length.
  mutating func derive(
    _ name: String, _ shape: [Int],
    _ values: @escaping @Sendable (PEFTValues) throws -> [Double]
  ) throws -> TypedOperand {
    try derive(name, .f32, shape) { file in try values(file).rounded(to: .f32) }
  }

  /// Adds a tensor of another element type; one of the same name is the same, and is added once.
  mutating func derive(
    _ name: String, _ type: ElementType, _ shape: [Int],
    bytes: @escaping @Sendable (PEFTValues) throws -> [UInt8]
  ) throws -> TypedOperand {
    let name = Name(DerivedTensor.prefix.text + name)
    if let place = derivedPlaces[name] { return TypedOperand(derived[place].info) }
    guard let shape = Shape(shape.map { UInt64($0) }), shape.byteCount(of: type) != nil else {
      throw InteropError.tensors("\(name) would be of shape \(shape)")
    }
    let info = TensorInfo(name: name, type: type, shape: shape)
    let (size, overflows) = derivedByteCount.addingReportingOverflow(UInt64(info.byteCount))
    guard !overflows, DerivedTensor.areFew(size, of: tensors.byteCount) else {
      throw InteropError.tensors(
        "\(name) would be of \(info.byteCount) bytes, too much for its file")
    }
    derivedPlaces[name] = derived.count
    derived.append(DerivedTensor(info: info, bytes: bytes))
    derivedByteCount = size
    return TypedOperand(info)
  }

  /// Modules that were to be trained and are not in the file: a list is often longer than what a model has, but one may also
  /// have been saved in part.
  private mutating func noteMissing() {
    guard case .array(let values)? = config["target_modules"], values.count <= 64 else { return }
    let names = values.compactMap { if case .string(let text) = $0 { Name(text) } else { nil } }
    let missing = names.filter { name in
      !tensors.modules.contains { $0.name == name || $0.name.hasSuffix(Name(".\(name)")) }
    }
    guard let first = missing.first, missing.count < names.count else { return }
    notes.append(
      "target_modules names \(first)"
        + (missing.count > 1 ? " and \(missing.count - 1) more" : "")
        + ", and the file has nothing for "
        + (missing.count > 1 ? "them" : "it"))
  }

  /// Adds what stands for tensors of a type that operations do not take.
  private mutating func addWidened() throws {
    guard let first = tensors.widened.first else { return }
    let size = tensors.widened.reduce(derivedByteCount) { $0 + UInt64($1.info.byteCount) }
    guard DerivedTensor.areFew(size, of: tensors.byteCount) else {
      throw InteropError.tensors("\(first.info.name) and others are too much for their file")
    }
    derived += tensors.widened.map(\.derived)
    notes.append("eight-bit floats are used as F16, which has all their values")
  }

  /// PEFT would drop tensors of modules that `target_modules` does not name, without a word.
  private mutating func noteUntargeted() {
    let coverage = config.coverage("target_modules")
    let untargeted = tensors.modules.filter {
      // Trained tokens and the inner layers of attention are not named there.
      $0.parent == nil && $0.parts.keys.contains { $0 != "trainable_tokens_delta" }
    }.map(\.name).filter { coverage.covers($0) == false }
    noteMissing()
    guard let first = untargeted.first, config["target_parameters"] == nil else { return }
    notes.append(
      "target_modules does not name \(first)"
        + (untargeted.count > 1 ? " and \(untargeted.count - 1) more" : "")
        + ": their tensors are used all the same")
  }
}
