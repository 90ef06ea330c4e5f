public import Storage

/// The contents of a stored tensor at some places (Spec/adp-v1.md, section 7).
public struct TensorSample: Sendable, Hashable {
  /// The tensor's element type.
  public var type: ElementType { info.type }
  /// The tensor's shape.
  public var shape: Shape { info.shape }
  private let info: TensorInfo
  private let sampled: [UInt8]

  /// Elements of a block.
  private static let block = 32
  /// Tensors up to this many elements are taken whole.
  private static let whole = 4096

  /// Takes a tensor's samples: at most 129 reads of 32 elements.
  ///
  /// - Throws: `CheckpointError.storage` where the file cannot be read.
  public init(_ tensor: StoredTensor) throws(CheckpointError) {
    try self.init(tensor, as: tensor.info.shape)
  }

  /// Takes the samples of a tensor's first rows, as those of a tensor that has no others.
  ///
  /// - Parameters:
  ///   - tensor: a tensor.
  ///   - shape: a shape of no more elements.
  /// - Throws: `CheckpointError.storage` where the file cannot be read.
  package init(_ tensor: StoredTensor, as shape: Shape) throws(CheckpointError) {
    info = TensorInfo(name: tensor.info.name, type: tensor.info.type, shape: shape)
    let ranges = Self.ranges(count: shape.count)
    var sampled = [UInt8](
      repeating: 0, count: ranges.reduce(0) { $0 + tensor.byteCount(of: $1) })
    try storing { () throws(StorageError) in
      try unsafe sampled.withUnsafeMutableBytesThrowing { buffer throws(StorageError) in
        var filled = 0
        for range in ranges {
          let count = tensor.byteCount(of: range)
          try unsafe tensor.read(
            range, into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<filled + count]))
          filled += count
        }
      }
    }
    self.sampled = sampled
  }

  /// 16 bytes over the sampled elements as stored.
  public var exact: [UInt8] {
    Self.digest(Array("adp-base-1\0\(info.type.rawValue)\0".utf8) + encodedShape + sampled)
  }

  /// 16 bytes over the sampled values as BF16; nil where the type is not F16, BF16, F32 or F64.
  public var value: [UInt8]? {
    guard info.type.isFloat else { return nil }
    let values = doubles
    var bytes = Array("adp-value-1\0".utf8) + encodedShape
    bytes.reserveCapacity(bytes.count + 2 * values.count)
    for value in values {
      let bits = value.fingerprintBits
      bytes.append(UInt8(truncatingIfNeeded: bits))
      bytes.append(UInt8(truncatingIfNeeded: bits >> 8))
    }
    return Self.digest(bytes)
  }

  /// 32 values as F32, little-endian, 128 bytes; nil where `value` is.
  public var sketch: [UInt8]? {
    guard info.type.isFloat else { return nil }
    let values = doubles
    let chosen =
      info.shape.count > Self.whole
      ? stride(from: 0, to: 128, by: 4).map { values[$0 * Self.block] }
      : Array((values + Array(repeating: 0, count: Self.block)).prefix(Self.block))
    // Every NaN is one NaN.
    return chosen.flatMap { littleEndian($0.isNaN ? 0x7FC0_0000 : Float($0).bitPattern) }
  }

  /// Which elements of a tensor of `count` its sketch holds, in order; of one of less than 32 elements, all.
  package static func sketchPositions(count: Int) -> [Int] {
    guard count > whole else { return Array(0..<min(count, block)) }
    let ranges = ranges(count: count)
    return stride(from: 0, to: 128, by: 4).map { ranges[$0].lowerBound }
  }

  private var encodedShape: [UInt8] {
    [UInt8(info.shape.dimensions.count)] + info.shape.dimensions.flatMap { littleEndian($0) }
  }

  /// The sampled elements, in the order of sampling.
  static func ranges(count: Int) -> [Range<Int>] {
    guard count > whole else { return [0..<count] }
    let blocks = UInt64(count / block)
    let starts = (0..<128).map { index in
      let position = UInt64(index) &* 0x9E37_79B9_7F4A_7C15
      return Int(position.multipliedFullWidth(by: blocks).high) * block
    }
    return starts.map { $0..<$0 + block } + [count - block..<count]
  }

  private static func digest(_ bytes: [UInt8]) -> [UInt8] {
    Array(Digest(of: bytes).bytes.prefix(16))
  }

  private var doubles: [Double] {
    let width = info.type.bitWidth / 8
    return stride(from: 0, to: sampled.count, by: width).map { start in
      var bits: UInt64 = 0
      for place in (start..<start + width).reversed() { bits = bits << 8 | UInt64(sampled[place]) }
      return switch info.type {
      case .f16: Double(halfBits: UInt16(bits))
      case .bf16: Double(Float(bitPattern: UInt32(bits) << 16))
      case .f32: Double(Float(bitPattern: UInt32(bits)))
      default: Double(bitPattern: bits)
      }
    }
  }
}

private func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
  (0..<(value.bitWidth / 8)).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
}

extension Double {
  /// The value of an IEEE binary16.
  fileprivate init(halfBits bits: UInt16) {
    let fraction = Double(bits & 0x3FF)
    let exponent = Int(bits >> 10 & 0x1F)
    let magnitude =
      switch exponent {
      case 0: fraction * 0x1p-24
      case 31: fraction == 0 ? Double.infinity : Double.nan
      default: Double(sign: .plus, exponent: exponent - 15, significand: 1 + fraction / 1024)
      }
    self = bits & 0x8000 == 0 ? magnitude : -magnitude
  }

  /// The value as BF16, to nearest even; tiny magnitudes are zero, every NaN is one NaN.
  fileprivate var fingerprintBits: UInt16 {
    if isNaN { return 0x7FC0 }
    if magnitude < 0x1p-14 { return 0 }
    // Round to odd in F32 first, so that the second rounding sees what was cut off.
    var bits = Float(magnitude).bitPattern
    let narrowed = Double(Float(bitPattern: bits))
    if narrowed > magnitude { bits -= 1 }
    if narrowed != magnitude { bits |= 1 }
    let rounded = UInt16((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)
    return rounded | (self < 0 ? 0x8000 : 0)
  }
}
