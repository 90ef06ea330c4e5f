internal import Storage

/// What a stored tensor holds at some places (Spec/adp-v1.md, section 7).
public struct TensorSample: Sendable, Hashable {
  /// 16 bytes over the sampled elements as stored.
  public let exact: [UInt8]
  /// 16 bytes over the sampled values as BF16; nil where the type is not F16, BF16, F32 or F64.
  public let value: [UInt8]?
  /// 32 values as F32, little-endian, 128 bytes; nil where `value` is.
  public let sketch: [UInt8]?

  /// Elements of a block.
  private static let block = 32
  /// Tensors up to this many elements are taken whole.
  private static let whole = 4096

  /// Takes a tensor's samples: at most 129 reads of 32 elements.
  ///
  /// - Throws: `CheckpointError.storage` where the file cannot be read.
  public init(_ tensor: StoredTensor) throws(CheckpointError) {
    let info = tensor.info
    var sampled: [UInt8] = []
    for range in Self.ranges(count: info.shape.count) {
      let start = range.lowerBound * info.type.bitWidth / 8
      let end = range.upperBound * info.type.bitWidth / 8
      sampled += try storing { () throws(StorageError) in
        try tensor.file.bytes(at: tensor.offset + UInt64(start), count: end - start)
      }
    }
    let shape =
      [UInt8(info.shape.dimensions.count)] + info.shape.dimensions.flatMap { littleEndian($0) }
    exact = Self.digest(
      Array("adp-base-1\0\(info.type.rawValue)\0".utf8) + shape + sampled)
    guard info.type.isFloat else {
      value = nil
      sketch = nil
      return
    }
    let values = Self.doubles(sampled, info.type)
    value = Self.digest(
      Array("adp-value-1\0".utf8) + shape + values.flatMap { littleEndian($0.fingerprintBits) })
    sketch = Self.sketch(values, count: info.shape.count)
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

  private static func sketch(_ values: [Double], count: Int) -> [UInt8] {
    let chosen =
      count > whole
      ? stride(from: 0, to: 128, by: 4).map { values[$0 * block] }
      : Array((values + Array(repeating: 0, count: block)).prefix(block))
    return chosen.flatMap { littleEndian(Float($0).bitPattern) }
  }

  private static func doubles(_ bytes: [UInt8], _ type: ElementType) -> [Double] {
    let width = type.bitWidth / 8
    return stride(from: 0, to: bytes.count, by: width).map { start in
      let bits = bytes[start..<start + width].reversed().reduce(0 as UInt64) {
        $0 << 8 | UInt64($1)
      }
      return switch type {
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
