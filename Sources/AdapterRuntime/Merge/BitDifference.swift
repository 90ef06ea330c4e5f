internal import AdapterFormat
internal import Operations
package import Storage

extension BitFactors {
  /// The factors of a change that only adds products of low rank, everything that stands between and before them
  /// multiplied in; nil for any other change.
  ///
  /// - Parameters:
  ///   - operations: all operations on a tensor.
  ///   - shape: the tensor's.
  /// - Throws: `FormatError` where operands cannot be read.
  init?(_ operations: [BoundOperation], shape: Shape) throws {
    let grid = TileGrid(shape, of: .f32, operations: operations)
    var parts: [BitFactors] = []
    for operation in operations {
      guard operation.part == .whole, let kind = operation.operation.kind,
        let low = kind.lowRank, low.product.isChange, low.product.experts == nil
      else { return nil }
      parts.append(try BitFactors(low, kind.parameter?.layout ?? .outIn, operation, shape))
    }
    guard !parts.isEmpty else { return nil }
    let left = (0..<grid.rows).flatMap { row in
      parts.flatMap { $0.left[row * $0.rank..<(row + 1) * $0.rank] }
    }
    self.init(
      left: left, right: parts.flatMap(\.right), rank: parts.reduce(0) { $0 + $1.rank })
  }

  private init(
    _ low: any LowRankKind, _ layout: Layout, _ operation: BoundOperation, _ shape: Shape
  ) throws {
    var operands = OperandLoader(operation.adapter)
    // Operands may be F64.
    let all: [LowRankFactors<Double>] = try low.factors(&operands, shape)
    let factors = all[0]
    let scale = factors.scale * operation.factor
    let (a, b) = (factors.a.map(Float.init), factors.b.map { Float($0 * scale) })
    if layout == .outIn {
      self.init(left: b, right: a, rank: factors.rank)
    } else {
      self.init(
        left: transposed(a, factors.rank, factors.inputCount),
        right: transposed(b, low.product.outputCount, factors.rank), rank: factors.rank)
    }
  }
}

private func transposed(_ values: [Float], _ rows: Int, _ columns: Int) -> [Float] {
  (0..<columns).flatMap { column in (0..<rows).map { values[$0 * columns + column] } }
}

/// The differences of bits that restore elements.
package enum BitDifference {
  /// Works them out: z for each element, in as many bytes.
  ///
  /// - Parameters:
  ///   - predicted: the elements that are to be restored, after factors were taken away.
  ///   - original: what they are to be.
  ///   - type: of the elements.
  /// - Returns: the differences.
  package static func make(
    from predicted: [UInt8], to original: [UInt8], of type: ElementType
  ) -> [UInt8] {
    var result = predicted
    unsafe result.withUnsafeMutableBytes { result in
      unsafe original.withUnsafeBytes { original in
        switch type.bitWidth {
        case 16: unsafe subtract(result, from: original, UInt16.self)
        case 32: unsafe subtract(result, from: original, UInt32.self)
        default: unsafe subtract(result, from: original, UInt64.self)
        }
      }
    }
    return result
  }

  private static func subtract<Unit: FixedWidthInteger & UnsignedInteger>(
    _ units: UnsafeMutableRawBufferPointer, from original: UnsafeRawBufferPointer, _: Unit.Type
  ) {
    let sign = Unit(Unit.bitWidth - 1)
    for place in stride(from: 0, to: units.count, by: MemoryLayout<Unit>.size) {
      let now = unsafe Unit(littleEndian: units.loadUnaligned(fromByteOffset: place, as: Unit.self))
      let then = unsafe Unit(
        littleEndian: original.loadUnaligned(fromByteOffset: place, as: Unit.self))
      let difference = then &- now
      let z = difference &<< 1 ^ (0 &- (difference &>> sign))
      unsafe units.storeBytes(of: z.littleEndian, toByteOffset: place, as: Unit.self)
    }
  }
}
