internal import AdapterFormat
internal import Storage

/// An operation as it acts on one stored tensor: which part of it, on which part of the tensor, and how much of it.
package struct BoundOperation: Sendable {
  /// The operation, its layout resolved.
  package let operation: Operation
  /// The adapter it belongs to.
  package let adapter: Adapter
  /// Which part of the operation, of which part of the tensor.
  package let part: Part
  /// The place of its adapter in a stack.
  package var owner = 0
  /// How much of the change is made: W ← W + factor · (f(W) − W).
  package var factor: Double

  /// The part of an operation that acts on a stored tensor.
  package enum Part: Sendable, Hashable {
    /// All of it, on all of the target.
    case whole
    /// The change of the bias beside its target.
    case bias
    /// Of a stack's change, that of one expert, and of it these rows: the tensor holds just them.
    case expert(Int, rows: Range<Int>)
    /// All of it, on these rows of the tensor, seen as a matrix.
    case region(rows: Range<Int>)
  }

  package init(_ operation: Operation, of adapter: Adapter, part: Part, factor: Double = 1) {
    self.operation = operation
    self.adapter = adapter
    self.part = part
    self.factor = factor
  }

  /// How the operation behaves; nil for one of a later version.
  package var laws: Laws? { operation.kind?.laws }

  /// True if the tensor is seen as a stack of matrices.
  package var seesStack: Bool {
    switch part {
    case .region: true
    case .whole: laws?.stacks == .sees
    case .bias, .expert: false
    }
  }

  /// Tiles begin at multiples of this many rows.
  var rowAlignment: Int { laws?.rowAlignment ?? 1 }

  /// True if an operand is F64, so that the arithmetic is too.
  var needsDouble: Bool {
    operation.operands.contains { adapter.tensor($0.tensor)?.type == .f64 }
  }

  /// Itself for all of a linear layer's weight, where it has a meaning for the layer's outputs; nil where it has to be
  /// made part of the weight.
  package var layerKind: (any LayerKind)? { part == .whole ? operation.kind?.layerKind : nil }

  /// The operation's steps, its operands loaded.
  func steps<Scalar: ComputeScalar>(
    _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] {
    guard let kind = operation.kind else {
      throw FormatError.unsupported(operation.reasonNotApplied ?? operation.name)
    }
    return try kind.steps(part, &operands, shape)
  }
}
