internal import AdapterFormat
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// The tensors of a safetensors file while they are made of an adapter's operations. Their bytes are made when they
/// are written.
struct TensorDraft: Sendable {
  /// The adapter that is written.
  let adapter: Adapter
  private var tensors: [Tensor] = []
  private var taken: Set<Name> = []

  private struct Tensor: Sendable {
    let info: TensorInfo
    let contents: @Sendable () throws -> [UInt8]
  }

  init(of adapter: Adapter) { self.adapter = adapter }

  /// The name, type and shape of each tensor.
  var infos: [TensorInfo] { tensors.map(\.info) }

  /// Adds a tensor whose bytes are those of an operand, in another shape of as many elements where one is given.
  ///
  /// - Throws: `InteropError` where there is a tensor of this name.
  mutating func add(
    _ name: Name, _ operand: TypedOperand, shape: [Int]? = nil
  ) throws(InteropError) {
    let adapter = adapter
    try add(name, operand.type, shape ?? operand.shape) {
      try OperandBytes.contents(of: operand.operand, adapter)
    }
  }

  /// Adds a tensor that is computed.
  ///
  /// - Throws: `InteropError` where there is a tensor of this name, or the shape is too large.
  mutating func add(
    _ name: Name, _ type: ElementType, _ shape: [Int],
    contents: @escaping @Sendable () throws -> [UInt8]
  ) throws(InteropError) {
    guard let shape = Shape(shape.map { UInt64($0) }), taken.insert(name).inserted else {
      throw InteropError(.notExpressible, at: .tensor(name), "it would be in the file twice")
    }
    tensors.append(
      Tensor(info: TensorInfo(name: name, type: type, shape: shape), contents: contents))
  }

  /// Adds numbers, in F64 until then, rounded once to a float type.
  ///
  /// - Throws: as for any tensor that is computed.
  mutating func add(
    _ name: Name, _ type: ElementType, _ shape: [Int],
    rounding values: @escaping @Sendable () throws -> [Double]
  ) throws(InteropError) {
    try add(name, type, shape, contents: { try values().rounded(to: type) })
  }

  /// Writes the file, as safetensors' own writer orders it.
  func write(to file: OutputFile, metadata: [SafetensorsHeader.Entry]?) throws {
    let header = SafetensorsHeader(canonical: infos, metadata: metadata)
    let contents = Dictionary(
      tensors.map { ($0.info.name, $0.contents) }, uniquingKeysWith: { first, _ in first })
    try file.write(header.encoded)
    for tensor in header.tensors {
      guard let bytes = try contents[tensor.info.name]?() else { continue }
      try file.write(bytes)
    }
  }
}
