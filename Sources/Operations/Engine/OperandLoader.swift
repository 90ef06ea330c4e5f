package import AdapterFormat
internal import Storage

/// Loads operands of one adapter, and keeps in mind which of them are not finite.
package struct OperandLoader {
  private let adapter: Adapter
  /// The operands that hold a NaN or an infinity.
  package private(set) var nonfinite: [Operand] = []

  package init(_ adapter: Adapter) {
    self.adapter = adapter
  }

  /// Integers of type I32 or I64, the operand's window cut out, row-major.
  func integers(_ operand: TypedOperand) throws -> [Int] {
    let bytes = try OperandBytes.contents(of: operand.operand, adapter)
    let width = operand.type.bitWidth / 8
    return stride(from: 0, to: bytes.count, by: width).map { start in
      let bits = bytes[start..<start + width].reversed().reduce(0 as UInt64) {
        $0 << 8 | UInt64($1)
      }
      return width == 4
        ? Int(Int32(truncatingIfNeeded: bits)) : Int(truncatingIfNeeded: bits)
    }
  }

  /// An operand with an element for each of the parameter's.
  mutating func run(_ operand: TypedOperand) throws -> OperandRun {
    let run = try OperandRun(operand, of: adapter)
    if !run.isFinite { nonfinite.append(operand.operand) }
    return run
  }

  /// An operand's values, widened, its window cut out, row-major.
  package mutating func values<Scalar: ComputeScalar>(_ operand: TypedOperand) throws -> [Scalar] {
    let loaded = try OperandValues<Scalar>(operand.operand, of: adapter)
    if !loaded.isFinite { nonfinite.append(operand.operand) }
    return loaded.values
  }
}
