package import Checkpoints
package import Storage
package import StrictJSON
internal import Testing

extension Checkpoint {
  /// A tensor of I64.
  package func integers(_ name: String) throws -> [Int32] {
    let tensor = try #require(self.tensor(Name(name)))
    let bytes = try tensor.contents()
    return stride(from: 0, to: bytes.count, by: 8).map { start in
      Int32(
        truncatingIfNeeded: bytes[start..<start + 8].reversed().reduce(0) { $0 << 8 | Int64($1) })
    }
  }

  /// A tensor of F32.
  package func floats(_ name: String) throws -> [Float] {
    let tensor = try #require(self.tensor(Name(name)))
    let bytes = try tensor.contents()
    return stride(from: 0, to: bytes.count, by: 4).map { start in
      Float(bitPattern: bytes[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }
  }

  /// The values of a tensor of floats.
  package func values(_ name: Name) throws -> [Double] {
    let tensor = try #require(self.tensor(name))
    let bytes = try tensor.contents()
    return doubles(bytes, tensor.info.type)
  }
}

/// Values of a tensor as doubles.
package func doubles(_ bytes: [UInt8], _ type: ElementType) -> [Double] {
  let width = type.bitWidth / 8
  return stride(from: 0, to: bytes.count, by: width).map { start in
    let bits = bytes[start..<start + width].reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
    return switch type {
    case .bf16: Double(Float(bitPattern: UInt32(bits) << 16))
    case .f16: HalfFloat.value(UInt16(bits))
    case .f32: Double(Float(bitPattern: UInt32(bits)))
    default: Double(bitPattern: bits)
    }
  }
}

/// Half the distance between neighbours of a type at a value.
package func halfStep(_ value: Double, _ type: ElementType) -> Double {
  let (bits, smallest) =
    switch type {
    case .bf16: (7, -126)
    case .f16: (10, -14)
    case .f32: (23, -126)
    default: (52, -1022)
    }
  let exponent = max(value == 0 ? smallest : Int(value.exponent), smallest)
  return Double(sign: .plus, exponent: exponent - bits - 1, significand: 1)
}
