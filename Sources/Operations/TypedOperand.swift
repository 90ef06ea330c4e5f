public import AdapterFormat
public import Storage

/// An operation's numbers for people.
public struct OperationSummary: Sendable, Hashable {
  /// r, where it is of low rank.
  public var rank: Int?
  /// The factor of its change.
  public var scale: Double?
  /// Other things that it says of itself, in the words of the specification.
  public var traits: [String] = []
}

/// An operand, its element type, and the shape of the part that is used.
public struct TypedOperand: Sendable, Hashable {
  /// The tensor, or the window of one.
  public let operand: Operand
  /// Its element type.
  public let type: ElementType
  /// Its dimensions; those of the window where there is one.
  public let shape: [Int]

  /// Describes an operand.
  public init(_ operand: Operand, in info: TensorInfo) {
    self.operand = operand
    type = info.type
    shape = operand.window?.map(\.count) ?? info.shape.dimensions
  }

  /// Describes a whole tensor.
  public init(_ info: TensorInfo) {
    self.init(Operand(info.name), in: info)
  }

  /// Some rows of a matrix that is a whole tensor.
  ///
  /// - Precondition: the rows are among those of the matrix.
  package func rows(_ rows: Range<Int>) -> TypedOperand {
    TypedOperand(
      operand: Operand(operand.tensor, window: [rows] + shape.dropFirst().map { 0..<$0 }),
      type: type, shape: [rows.count] + shape.dropFirst())
  }

  private init(operand: Operand, type: ElementType, shape: [Int]) {
    (self.operand, self.type, self.shape) = (operand, type, shape)
  }

  /// Elements of the part that is used.
  public var count: Int { shape.reduce(1, *) }

  /// True if at most one dimension is not 1.
  package var isVector: Bool { shape.filter { $0 != 1 }.count <= 1 }
}

/// The product; nil where it overflows.
func checkedProduct(_ factors: [Int]) -> Int? {
  var product = 1
  for factor in factors {
    let (next, overflow) = product.multipliedReportingOverflow(by: factor)
    guard !overflow else { return nil }
    product = next
  }
  return product
}
