internal import AdapterFormat
internal import Operations
internal import Storage
internal import StrictJSON

/// What a PEFT adapter means, as it is found out: operations in order, tensors without effect, notes.
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
  /// - Throws: `InteropError` where anything of them is not understood.
  init(
    of config: PEFTConfig, _ infos: [TensorInfo], _ choices: ImportChoices
  ) throws {
    let method = config.method
    // Names are cut and compared in many ways: first of all they must not be too long for that.
    try AdapterRecord.checkTensors(infos)
    try config.checkSizes(tensors: infos.count)
    if let info = infos.first(where: { $0.name.hasPrefix(DerivedTensor.prefix) }) {
      throw InteropError.unknownTensor(
        info.name, "names that begin so are for tensors that are worked out")
    }
    if let info = infos.first(where: { $0.type.rawValue.hasPrefix("F8_") }) {
      throw InteropError(
        .unsupported, at: .tensor(info.name),
        "of eight-bit floats (\(info.type.rawValue)): load the adapter with PEFT and save it again")
    }
    self.config = config
    // Any method may have trained tokens beside it.
    tensors = try PEFTTensors(infos, parts: method.parts.union(["trainable_tokens_delta"]))
    try addReplacements()
    try addTrainableTokens(method.tokenField)
    try tensors.checkParametersTaken(except: method.shared)
    try method.read(&self, choices)
    noteUntargeted()
    try tensors.checkAllTaken()
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

  /// PEFT would drop tensors of modules that `target_modules` does not name, without a word.
  private mutating func noteUntargeted() {
    let coverage = config.coverage("target_modules")
    let untargeted = tensors.modules.filter {
      // Trained tokens and the inner layers of attention are not named there.
      $0.parent == nil && $0.parts.keys.contains { $0 != "trainable_tokens_delta" }
    }.map(\.name).filter { coverage.covers($0) == false }
    guard let first = untargeted.first, config["target_parameters"] == nil else { return }
    notes.append(
      "target_modules does not name \(first)"
        + (untargeted.count > 1 ? " and \(untargeted.count - 1) more" : "")
        + ": their tensors are used all the same")
  }
}
