internal import AdapterFormat
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// The tensors of a safetensors file while they become operands: as they are, seen in another shape, or transposed.
struct FactorTensors {
  let file: SafetensorsFile
  /// The operands' tensors.
  private(set) var contents: [TensorContents] = []
  private var places: [Name: SafetensorsHeader.Tensor] = [:]
  private var taken: Set<Name> = []

  init(_ file: SafetensorsFile) {
    self.file = file
    places = Dictionary(
      file.header.tensors.map { ($0.info.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// All of them, in the order of their bytes.
  var infos: [TensorInfo] { file.header.tensors.map(\.info) }

  subscript(name: Name) -> TensorInfo? { places[name]?.info }

  /// The bytes of a tensor.
  func bytes(of info: TensorInfo) throws -> [UInt8] {
    guard let place = places[info.name] else {
      throw InteropError.tensors("no tensor \(info.name)")
    }
    return try file.file.bytes(at: file.offset(of: place), count: info.byteCount)
  }

  /// The values of a tensor of a float type, in F64.
  func values(of info: TensorInfo) throws -> [Double] {
    [Double](widening: try bytes(of: info), of: info.type)
  }

  /// Returns true if a tensor is the same as a stored one, bit for bit.
  func isEqual(_ info: TensorInfo, to stored: StoredTensor) throws -> Bool {
    guard let place = places[info.name] else { return false }
    return try stored.isEqual(to: info, at: file.offset(of: place), in: file.file)
  }

  /// Takes a tensor of a float type as an operand.
  ///
  /// - Parameters:
  ///   - info: the tensor.
  ///   - shape: how it is seen, of as many elements, before it is transposed; nil for its own shape.
  ///   - isTransposed: whether the operand is the transpose of the matrix that the tensor is.
  ///   - order: for each row of the operand the row that it is in the file.
  /// - Throws: `InteropError` where its type is not one that factors have, or the shape is another.
  /// - Returns: the operand.
  mutating func take(
    _ info: TensorInfo, as shape: [Int]? = nil, transposing isTransposed: Bool = false,
    rows order: [Int]? = nil
  ) throws -> TypedOperand {
    try Self.check(info)
    if let order {
      let reordered = rows(try bytes(of: info), in: order)
      return try add(info, shape ?? info.shape.dimensions, bytes: MemoryBytes(reordered))
    }
    guard isTransposed else { return try add(info, shape ?? info.shape.dimensions) }
    let stored = shape ?? info.shape.dimensions
    guard stored.count == 2, stored.reduce(1, *) == info.shape.count else {
      throw InteropError(.malformed, at: .tensor(info.name), "\(info.shape) is not a matrix")
    }
    let width = info.type.bitWidth / 8
    let bytes = transposed(
      try bytes(of: info), rows: stored[0], columns: stored[1], width: width)
    return try add(info, [stored[1], stored[0]], bytes: MemoryBytes(bytes))
  }

  /// Takes a tensor as it is, of any type: a parameter in full.
  mutating func takeWhole(_ info: TensorInfo) throws -> TypedOperand {
    try add(info, info.shape.dimensions)
  }

  /// Takes numbers that were worked out of a tensor, rounded to F32.
  mutating func take(_ values: [Double], of info: TensorInfo, as shape: [Int]) throws
    -> TypedOperand
  {
    let type = ElementType.f32
    let computed = TensorInfo(name: info.name, type: type, shape: info.shape)
    return try add(computed, shape, bytes: MemoryBytes(values.rounded(to: type)))
  }

  /// The matrix [[1]], which no file holds.
  mutating func one() throws -> TypedOperand {
    guard let shape = Shape([1, 1]) else { throw InteropError.tensors("no shape [1, 1]") }
    let info = TensorInfo(name: Name("\(DerivedTensor.prefix)one"), type: .f32, shape: shape)
    if taken.insert(info.name).inserted {
      contents.append(
        TensorContents(info, bytes: MemoryBytes([1.0].rounded(to: .f32)), offset: 0))
    }
    return TypedOperand(info)
  }

  private mutating func add(
    _ info: TensorInfo, _ dimensions: [Int], bytes: (any RandomAccessBytes)? = nil
  ) throws -> TypedOperand {
    guard let shape = Shape(dimensions.map { UInt64($0) }), shape.count == info.shape.count else {
      throw InteropError(
        .malformed, at: .tensor(info.name), "\(info.shape) cannot be seen as \(dimensions)")
    }
    let seen = TensorInfo(name: info.name, type: info.type, shape: shape)
    if taken.insert(info.name).inserted {
      if let bytes {
        contents.append(TensorContents(seen, bytes: bytes, offset: 0))
      } else if let place = places[info.name] {
        contents.append(
          TensorContents(seen, bytes: file.file, offset: file.offset(of: place)))
      }
    }
    return TypedOperand(seen)
  }

  /// Keeps a tensor that nothing uses.
  mutating func keep(_ info: TensorInfo) throws { _ = try takeWhole(info) }

  /// - Throws: `InteropError` where factors are not of a type that is trained in.
  private static func check(_ info: TensorInfo) throws(InteropError) {
    guard [.f64, .f32, .f16, .bf16].contains(info.type) else {
      throw InteropError(
        .unsupported, at: .tensor(info.name),
        "factors of \(info.type.rawValue) are not read: save it as F32, F16 or BF16")
    }
  }
}

extension StoredTensor {
  /// Returns true if a tensor elsewhere has the same type, shape and bytes.
  ///
  /// - Throws: `StorageError` where either cannot be read.
  func isEqual(to other: TensorInfo, at start: UInt64, in bytes: any RandomAccessBytes) throws
    -> Bool
  {
    guard info.type == other.type, info.shape == other.shape else { return false }
    var offset = start
    for run in runs(of: 1 << 20) {
      let ours = try contents(of: run)
      guard try bytes.bytes(at: offset, count: ours.count) == ours else { return false }
      offset += UInt64(ours.count)
    }
    return true
  }
}
