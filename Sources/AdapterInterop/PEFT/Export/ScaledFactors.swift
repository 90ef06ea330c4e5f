internal import AdapterFormat
internal import Operations
internal import Storage
internal import StrictJSON

extension PEFTDraft {
  /// Adds the first columns of a matrix.
  mutating func add(_ name: Name, _ matrix: TypedOperand, columns count: Int) {
    let window = matrix.operand.window ?? matrix.shape.map { 0..<$0 }
    let start = window[1].lowerBound
    let operand = Operand(matrix.operand.tensor, window: [window[0], start..<start + count])
    let adapter = adapter
    add(name, matrix.type, [matrix.shape[0], count]) {
      try OperandBytes.contents(of: operand, adapter)
    }
  }

  /// Adds a matrix whose rows and columns are multiplied with factors: in F64, rounded once to the widest type of
  /// the operands, F32 at least.
  mutating func add(
    _ name: Name, _ matrix: TypedOperand, shape: [Int], rows: TypedOperand?, columns: TypedOperand?
  ) {
    let operands = [matrix, rows, columns].compactMap(\.self)
    let type: ElementType = operands.contains { $0.type == .f64 } ? .f64 : .f32
    let (adapter, width) = (adapter, matrix.shape[1])
    add(name, type, shape) {
      var values = try Self.values(of: matrix, adapter)
      let rows = try rows.map { rows in try Self.values(of: rows, adapter) }
      let columns = try columns.map { columns in
        try Self.values(of: columns, adapter)
      }
      for index in values.indices {
        if let rows { values[index] *= rows[index / width] }
        if let columns { values[index] *= columns[index % width] }
      }
      return values.rounded(to: type)
    }
  }

  /// Adds a vector multiplied with a number, rounded in the same way.
  mutating func add(_ name: Name, _ vector: TypedOperand, times factor: Double) {
    let type: ElementType = vector.type == .f64 ? .f64 : .f32
    let adapter = adapter
    add(name, type, [vector.count]) {
      try Self.values(of: vector, adapter).map { $0 * factor }.rounded(to: type)
    }
  }

  private static func values(
    of operand: TypedOperand, _ adapter: Adapter
  ) throws -> [Double] {
    try OperandValues<Double>(operand.operand, of: adapter).values
  }
}
