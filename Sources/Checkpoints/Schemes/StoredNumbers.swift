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
    if type == .bf16 { return BrainFloat.widened(raw) }
    return (0..<raw.count / (type.bitWidth / 8)).map { index in
      switch type {
      case .u8: Float(raw[index])
      case .i8: Float(Int8(bitPattern: raw[index]))
      case .f8E4M3: FloatTables.e4m3[Int(raw[index])]
      case .f8E8M0: FloatTables.e8m0[Int(raw[index])]
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

extension StoredNumbers {
  /// Numbers in the type of these; a power of two is the next one up. Where one is 0, nothing is in its block, and it may
  /// stay what it is stored as.
  func encoded(_ numbers: [Float], keepingZeros: Bool) throws(StorageError) -> [UInt8] {
    let old = keepingZeros && numbers.contains(0) ? try values() : numbers
    return zip(numbers, old).flatMap { number, old -> [UInt8] in
      let value = number == 0 ? old : number
      switch type {
      case .f8E8M0, .u8: return [SmallFloat.e8m0(atLeast: value)]
      case .f8E4M3: return [SmallFloat.e4m3(value)]
      case .bf16: return BrainFloat.bits(value).littleEndianBytes
      case .f16: return HalfFloats.units([value])
      default: return value.bitPattern.littleEndianBytes
      }
    }
  }

  /// The numbers that bytes of the type of these stand for.
  func decoded(_ bytes: [UInt8]) -> [Float] {
    Self.decoded(bytes, of: type)
  }
}

extension FixedWidthInteger {
  /// Its bytes.
  var littleEndianBytes: [UInt8] {
    (0..<Self.bitWidth / 8).map { UInt8(truncatingIfNeeded: self >> (8 * $0)) }
  }
}

extension StoredNumbers {
  /// Bytes that stand for powers of two, as FP8 with `scale_fmt` ue8m0 has them.
  var asExponents: StoredNumbers {
    type == .u8 ? StoredNumbers(bytes: bytes, type: .f8E8M0, count: count) : self
  }

  init(bytes: FileRange, type: ElementType, count: Int) {
    (self.bytes, self.type, self.count) = (bytes, type, count)
  }
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
