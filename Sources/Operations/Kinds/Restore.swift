package import AdapterFormat
public import Storage
package import StrictJSON

/// Gives a parameter back the bits that it had before a change (Spec/operations/Restore.md): what a merge that can be
/// taken back writes.
public struct Restore: Sendable, Hashable {
  /// The parameter.
  public var target: Target
  /// For each element the difference of its bits, an unsigned integer as wide as the parameter's elements.
  public var difference: TypedOperand
  /// A factor of what is taken away first, [rows, r], F32.
  public var left: TypedOperand?
  /// The other factor, [r, columns], F32.
  public var right: TypedOperand?
  /// SHA-256 of the parameter's bytes afterwards.
  public var result: Digest

  /// Makes a restoration.
  public init(
    target: Target, difference: TypedOperand, left: TypedOperand? = nil,
    right: TypedOperand? = nil, result: Digest
  ) {
    self.target = target
    self.difference = difference
    self.left = left
    self.right = right
    self.result = result
  }
}

extension Restore {
  /// Returns true if it can give elements of this type their bits back ([RES-2]).
  package func fits(_ type: ElementType) -> Bool {
    type.isFloat && type.bitWidth == difference.type.bitWidth
  }
}

extension Restore: TargetedKind {
  package static let op = "restore"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (
    ["difference", "left", "right"], ["result"]
  )

  package var extent: Extent { .tensor(difference.shape, canResize: false) }

  package init(_ fields: OperationFields) throws(FormatError) {
    target = try fields.target()
    difference = try fields.operand("difference")
    left = try fields.optionalOperand("left")
    right = try fields.optionalOperand("right")
    result = try fields.digest("result")
  }

  /// [RES-1].
  package func fault() -> String? {
    guard [.u16, .u32, .u64].contains(difference.type), difference.shape.count >= 2 else {
      return
        "difference \(difference.shape) \(difference.type.rawValue) is not a matrix of U16, U32 or U64"
    }
    guard left != nil || right != nil else { return nil }
    guard let left, let right, left.type == .f32, right.type == .f32, left.shape.count == 2,
      right.shape.count == 2, left.shape[1] == right.shape[0]
    else { return "left and right are not [rows, r] and [r, columns] of F32" }
    let columns = checkedProduct(Array(difference.shape.dropFirst()))
    return left.shape[0] == difference.shape[0] && right.shape[1] == columns
      ? nil : "difference \(difference.shape) has not the rows and columns of left · right"
  }

  package var operands: [(role: Name, operand: Operand?)] {
    [
      ("difference", difference.operand), ("left", left?.operand), ("right", right?.operand),
    ]
  }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("result", .string(result.description))]
  }

  package var summary: OperationSummary { OperationSummary(rank: left?.shape.last) }

  package var laws: Laws {
    var laws = Laws(.restores)
    laws.result = result
    return laws
  }

  package var cost: Cost { .loop() }

  package var measurable: Measurable { .operands }

  package var lowRank: (any LowRankKind)? { nil }

  package var layerKind: (any LayerKind)? { nil }

  package func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] {
    throw AdapterError(
      .misuse, on: target.name, "\(Self.op) beside another operation on its parameter")
  }

  package func byteProgram(
    of adapter: Adapter, as type: ElementType, from stored: ElementType
  ) throws -> (any ByteProgram)? {
    guard stored == type, fits(type) else {
      throw AdapterError(.misuse, on: target.name, "\(Self.op) of elements of another type")
    }
    return try BitRestoration(self, of: adapter)
  }
}

/// Gives a parameter's elements the bits back that they had before a change (Spec/operations/Restore.md).
///
/// All arithmetic is in a fixed order and rounded after every step, so that it gives the same bits on every machine.
private struct BitRestoration: ByteProgram {
  private let difference: OperandRun
  private let factors: BitFactors?
  /// The operands that hold a NaN or an infinity.
  let nonfiniteOperands: [Operand]

  /// Loads the factors.
  ///
  /// - Throws: `FormatError` where operands cannot be read, or are damaged.
  init(_ restore: Restore, of adapter: Adapter) throws {
    difference = try OperandRun(restore.difference, of: adapter)
    guard let left = restore.left, let right = restore.right else {
      (factors, nonfiniteOperands) = (nil, [])
      return
    }
    var loader = OperandLoader(adapter)
    factors = BitFactors(
      left: try loader.values(left), right: try loader.values(right), rank: left.shape[1])
    nonfiniteOperands = loader.nonfinite
  }

  func apply(
    _ stored: UnsafeRawBufferPointer, to result: UnsafeMutableRawBufferPointer, _ type: ElementType,
    _ grid: TileGrid, _ rows: Range<Int>
  ) throws {
    // As all rows come, in parts that stay in a core's own cache.
    let width = grid.columns * type.bitWidth / 8
    for part in grid.parts(of: rows) {
      let bytes =
        (part.lowerBound - rows.lowerBound) * width..<(part.upperBound - rows.lowerBound) * width
      try unsafe applyPart(
        UnsafeRawBufferPointer(rebasing: stored[bytes]),
        to: UnsafeMutableRawBufferPointer(rebasing: result[bytes]), type, grid, part)
    }
  }

  private func applyPart(
    _ stored: UnsafeRawBufferPointer, to result: UnsafeMutableRawBufferPointer, _ type: ElementType,
    _ grid: TileGrid, _ rows: Range<Int>
  ) throws {
    let elements = rows.lowerBound * grid.columns..<rows.upperBound * grid.columns
    if let factors {
      unsafe factors.subtract(from: stored, into: result, type, elements, columns: grid.columns)
    } else if let source = stored.baseAddress, unsafe source != UnsafeRawPointer(result.baseAddress)
    {
      unsafe result.copyMemory(from: stored)
    }
    let bytes = try difference.bytes(ofElements: elements)
    unsafe bytes.withUnsafeBytes { bytes in
      switch type.bitWidth {
      case 16: unsafe add(bytes, to: result, UInt16.self)
      case 32: unsafe add(bytes, to: result, UInt32.self)
      default: unsafe add(bytes, to: result, UInt64.self)
      }
    }
  }

  /// u ← u + d: an even z stands for d = z / 2, an odd one for −(z + 1) / 2.
  private func add<Unit: FixedWidthInteger & UnsignedInteger>(
    _ differences: UnsafeRawBufferPointer, to units: UnsafeMutableRawBufferPointer, _: Unit.Type
  ) {
    let width = MemoryLayout<Unit>.size
    for place in stride(from: 0, to: units.count, by: width) {
      let unit = unsafe Unit(
        littleEndian: units.loadUnaligned(fromByteOffset: place, as: Unit.self))
      let z = unsafe Unit(
        littleEndian: differences.loadUnaligned(fromByteOffset: place, as: Unit.self))
      let sum = unit &+ (z &>> 1 ^ (0 &- (z & 1)))
      unsafe units.storeBytes(of: sum.littleEndian, toByteOffset: place, as: Unit.self)
    }
  }
}
