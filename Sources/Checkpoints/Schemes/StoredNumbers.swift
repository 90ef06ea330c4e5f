internal import Storage
internal import StrictJSON

/// Numbers beside the codes of a scheme, read in ranges and widened to F32.
struct StoredNumbers: Sendable {
  let bytes: FileRange
  let type: ElementType
  let count: Int

  /// - Throws: `CheckpointError` where the tensor is not there, or has another shape or type.
  init(
    _ name: Name, _ types: [ElementType], shape: [Int]?, of parameter: Name,
    _ scheme: QuantisationScheme, in checkpoint: Checkpoint
  ) throws(CheckpointError) {
    guard let tensor = checkpoint.tensor(name) else {
      throw .quantised(parameter, scheme, "\(name) is missing")
    }
    guard types.contains(tensor.info.type) else {
      throw .quantised(parameter, scheme, "\(name) is of \(tensor.info.type.rawValue)")
    }
    guard shape == nil || tensor.info.shape.dimensions == shape,
      let range = tensor.fileRange
    else {
      throw .quantised(
        parameter, scheme, "\(name) has the shape \(tensor.info.shape), not \(shape ?? [])")
    }
    (bytes, type, count) = (range, tensor.info.type, tensor.info.shape.count)
  }

  /// Some of them.
  func values(_ range: Range<Int>) throws(StorageError) -> [Float] {
    let width = type.bitWidth / 8
    var raw = [UInt8](repeating: 0, count: range.count * width)
    try unsafe raw.withUnsafeMutableBytesThrowing { memory throws(StorageError) in
      try unsafe bytes.read(at: UInt64(range.lowerBound * width), into: memory)
    }
    return Self.decoded(raw, of: type)
  }

  /// The numbers that bytes stand for.
  static func decoded(_ raw: [UInt8], of type: ElementType) -> [Float] {
    if type == .f16 { return HalfFloats.widened(raw) }
    return (0..<raw.count / (type.bitWidth / 8)).map { index in
      switch type {
      case .u8: Float(raw[index])
      case .i8: Float(Int8(bitPattern: raw[index]))
      case .f8E4M3: FloatTables.e4m3[Int(raw[index])]
      case .f8E8M0: FloatTables.e8m0[Int(raw[index])]
      case .bf16:
        Float(bitPattern: UInt32(raw[2 * index]) << 16 | UInt32(raw[2 * index + 1]) << 24)
      default:
        unsafe raw.withUnsafeBytes {
          let bits = unsafe $0.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)
          return Float(bitPattern: UInt32(littleEndian: bits))
        }
      }
    }
  }

  /// All of them.
  func values() throws(StorageError) -> [Float] { try values(0..<count) }
}

extension FileRange {
  /// Some of its bytes.
  func contents(_ range: Range<Int>) throws(StorageError) -> [UInt8] {
    var raw = [UInt8](repeating: 0, count: range.count)
    try unsafe raw.withUnsafeMutableBytesThrowing { memory throws(StorageError) in
      try unsafe read(at: UInt64(range.lowerBound), into: memory)
    }
    return raw
  }
}
