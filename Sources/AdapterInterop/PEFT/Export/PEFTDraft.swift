internal import AdapterFormat
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// The two files of a PEFT folder while they are made of operations.
struct PEFTDraft: Sendable {
  /// The adapter that is written.
  let adapter: Adapter
  /// Fields of the configuration, beside those that every one has.
  var fields: [Name: JSONValue] = [:]
  /// The losses: the parts that PEFT cannot express.
  private(set) var losses: [ForeignExport.Loss] = []
  private var tensors: TensorDraft

  /// The version of PEFT whose rules the files follow: it decides how stacks of experts and prefixes are read.
  private static let version = "0.21.2"

  /// Makes both files.
  ///
  /// - Throws: `InteropError` where the adapter has nothing that could be written.
  init(of adapter: Adapter) throws {
    guard !adapter.operations.isEmpty else {
      throw InteropError(.notExpressible, "adapter \(adapter.name) has no operation")
    }
    self.adapter = adapter
    tensors = TensorDraft(of: adapter)
    try checkWork()
    let names = Set(adapter.operations.map(\.name))
    let methods = PEFTMethod.all.filter { $0.writing != nil }
    let method = methods.first { method in method.writing.map { names.contains($0.main) } ?? false }
    for operation in adapter.operations where method?.writing?.takes(operation.name) != true {
      lose(.effect, operation, Self.reason(operation, method, methods))
    }
    guard let method, let writing = method.writing else { return }
    fields["peft_type"] = .string(method.type)
    try writing.write(&self)
    try checkMemory()
    if adapter.base?.fingerprint != nil { lose(.record, nil, "the base's fingerprint") }
    if !adapter.inert.isEmpty {
      lose(.record, nil, "tensors that nothing uses (\(adapter.inert.count))")
    }
  }

  /// Refuses operands that take far more work to load than the adapter is worth: of a window the whole tensor is
  /// decoded, as often as there are windows.
  private func checkWork() throws {
    let work = adapter.operations.reduce(0) {
      $0 + Effort(loading: $1, of: adapter, scalar: 0).work
    }
    guard work <= Effort.limit(inputs: adapter.storedByteCount) else {
      throw FormatError.excess("the operands of all \(adapter.operations.count) operations")
    }
  }

  /// Refuses a tensor that takes far more memory than the adapter is worth: slots of a prefix may be the same.
  private func checkMemory() throws {
    let most = Effort.freeMemory + 8 * Double(adapter.storedByteCount)
    guard let large = tensors.infos.first(where: { Double($0.byteCount) > most }) else {
      return
    }
    throw FormatError.excess("tensor \(large.name) of \(large.byteCount) bytes")
  }

  private static func reason(
    _ operation: Operation, _ method: PEFTMethod?, _ methods: [PEFTMethod]
  ) -> String {
    let places = methods.compactMap(\.writing).filter { $0.takes(operation.name) }.map(\.main)
    if let method, !places.isEmpty {
      return "PEFT's \(method.type) has no place for it beside its own changes"
    }
    guard places.isEmpty else {
      return "PEFT has a place for it only beside " + places.joined(separator: " or ")
    }
    return "none of PEFT's " + methods.map(\.type).joined(separator: ", ") + " can say it"
  }

  // MARK: Taking down

  /// Notes something that PEFT cannot say.
  mutating func lose(
    _ kind: ForeignExport.Loss.Kind, _ operation: Operation?, _ reason: String
  ) {
    losses.add(kind, operation, reason)
  }

  /// Notes something of an operation that PEFT cannot say.
  mutating func lose<Kind: TargetedKind>(
    _ kind: ForeignExport.Loss.Kind, _ operation: Kind, _ reason: String
  ) {
    losses.add(kind, operation, reason)
  }

  /// Adds a tensor whose bytes are those of an operand, in another shape of as many elements where one is given.
  mutating func add(_ name: Name, _ operand: TypedOperand, shape: [Int]? = nil) {
    let adapter = adapter
    add(name, operand.type, shape ?? operand.shape) {
      try OperandBytes.contents(of: operand.operand, adapter)
    }
  }

  /// Adds a tensor that is computed.
  mutating func add(
    _ name: Name, _ type: ElementType, _ shape: [Int],
    contents: @escaping @Sendable () throws -> [UInt8]
  ) {
    do throws(InteropError) {
      try tensors.add(name, type, shape, contents: contents)
    } catch {
      losses.append(.init(kind: .effect, place: error.place, reason: error.reason))
    }
  }

  // MARK: Writing

  /// Both files.
  var files: [ForeignExport.File] {
    [
      ForeignExport.File(name: PEFTFolder.configName, text: configText),
      ForeignExport.File(name: PEFTFolder.weightsName) { file in
        try writeWeights(to: file)
      },
    ]
  }

  private var configText: [UInt8] {
    let common: [Name: JSONValue] = [
      "base_model_name_or_path": adapter.base?.name.map(JSONValue.string) ?? .null,
      "revision": adapter.base?.revision.map(JSONValue.string) ?? .null,
      "inference_mode": .boolean(true), "peft_version": .string(Self.version), "task_type": .null,
    ]
    let all = common.merging(fields) { $1 }.sorted { $0.key < $1.key }
    var writer = JSONWriter(style: .indented)
    writer.value(.object(all.map { .init($0.key, $0.value) }))
    return writer.bytes
  }

  private func writeWeights(to file: OutputFile) throws {
    try tensors.write(to: file, metadata: PEFTFolder.metadata)
  }
}

extension PEFTDraft {
  /// The name of a tensor of a module.
  static func key(_ module: Name, _ part: String) -> Name {
    Name("base_model.model.\(module).\(part)")
  }
}

extension JSONValue {
  /// A count.
  static func count(_ value: Int) -> JSONValue { .integer(UInt64(value)) }

  /// A number, an integer where it is one.
  static func shortest(_ value: Double) -> JSONValue {
    UInt64(exactly: value).flatMap { $0 < 1 << 53 ? .integer($0) : nil } ?? .number(value)
  }

  /// Names, sorted.
  static func names(_ names: some Sequence<Name>) -> JSONValue {
    .array(names.sorted().map { .string($0.text) })
  }
}
