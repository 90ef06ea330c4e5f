internal import AdapterFormat
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// An adapter of ONNX Runtime as operations.
///
/// | the file | here |
/// |---|---|
/// | `M.lora_A.weight` [in, r], `M.lora_B.weight` [r, out] | `add_low_rank` on `M.weight`, both transposed; scale 1, for it is in B |
struct ONNXImport {
  private let file: any RandomAccessBytes
  private let digest: Digest?
  private var operations: [Operation] = []
  private var tensors: [TensorContents] = []

  /// - Throws: `InteropError` or `FlatBufferFault` where anything of it is not understood.
  init(_ file: any RandomAccessBytes, _ path: FilePath, _ choices: ImportChoices) throws {
    self.file = file
    digest = choices.recordsDigest ? try file.digest() : nil
    var order: [String] = []
    var pairs: [String: [String: ONNXParameter]] = [:]
    let dropped = choices.dropped
    for parameter in try ONNXParameter.all(in: file)
    where !dropped.contains(where: { $0.matches(Name(parameter.name)) }) {
      let (module, part) = try Self.split(parameter)
      if pairs[module] == nil { order.append(module) }
      pairs[module, default: [:]][part] = parameter
    }
    for module in order { try add(module, pairs[module] ?? [:]) }
    guard !operations.isEmpty else {
      throw InteropError(.malformed, at: .file(path), "it holds no pair of factors")
    }
  }

  func result() throws -> ForeignImport {
    try ForeignImport(
      Adapter(
        name: "default", method: "lora", operations: operations, inert: [],
        source: SourceRecord(format: ONNXFormat.name, config: nil, digest: digest, header: nil),
        files: [], base: nil, tensors: tensors))
  }

  private static let parts = [".lora_A.weight", ".lora_B.weight"]

  private static func split(
    _ parameter: ONNXParameter
  ) throws -> (module: String, part: String) {
    if let part = parts.first(where: parameter.name.hasSuffix) {
      return (String(parameter.name.dropLast(part.count)), part)
    }
    let isQuantised = [".quant.weight", ".quant.scale"].contains(where: parameter.name.hasSuffix)
    throw InteropError(
      .unsupported, at: .tensor(Name(parameter.name)),
      isQuantised
        ? "blocks of int4, which are not read"
        : "an input of a graph whose meaning only the graph knows")
  }

  private mutating func add(_ module: String, _ parts: [String: ONNXParameter]) throws {
    guard let a = parts[Self.parts[0]], let b = parts[Self.parts[1]] else {
      let name = parts.values.first?.name ?? module
      throw InteropError(
        .malformed, at: .tensor(Name(name)), "half a pair: the other factor is missing")
    }
    guard a.dimensions.count == 2, b.dimensions.count == 2, a.dimensions[1] == b.dimensions[0],
      a.dimensions[1] > 0
    else {
      throw InteropError(
        .malformed, at: .tensor(Name(a.name)),
        "\(a.dimensions) and \(b.dimensions) of lora_B are not [in, r] and [r, out]")
    }
    let isOpen = AnyFamily.transposedLeaves.contains(Name(module).lastPart)
    operations.append(
      try Operation(
        AddLowRank(
          target: Target(
            Name(module + ".weight"), layout: isOpen ? .unresolved : .outIn,
            layoutSource: isOpen ? nil : .guessed),
          a: try take(a), b: try take(b), scale: 1)))
  }

  /// A parameter, transposed.
  private mutating func take(_ parameter: ONNXParameter) throws -> TypedOperand {
    let (rows, columns) = (parameter.dimensions[0], parameter.dimensions[1])
    guard let shape = Shape([columns, rows].map { UInt64($0) }) else {
      throw InteropError(.malformed, at: .tensor(Name(parameter.name)), "it is too large")
    }
    let info = TensorInfo(name: Name(parameter.name), type: parameter.type, shape: shape)
    let bytes = transposed(
      try file.bytes(at: parameter.offset, count: parameter.byteCount), rows: rows,
      columns: columns, width: parameter.type.bitWidth / 8)
    tensors.append(TensorContents(info, bytes: MemoryBytes(bytes), offset: 0))
    return TypedOperand(info)
  }
}
