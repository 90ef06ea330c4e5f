public import AdapterFormat
public import Storage
public import StrictJSON

/// W ← W + scale · B · A (Spec/adp-v1.md, section 8.1; LoRA, arXiv:2106.09685, section 4.1).
public struct AddLowRank: Sendable, Hashable {
  /// The weight, as trained.
  public var target: Name
  /// A, [r, in].
  public var a: Operand
  /// B, [out, r].
  public var b: Operand
  /// What the product is multiplied with.
  public var scale: Double
  /// How the target is stored.
  public var layout: Layout
  /// What decided the layout.
  public var layoutSource: LayoutSource?
  /// The target's shape as stored, where known.
  public var shape: Shape?
  /// The stored tensors the target was bound to at conversion.
  public var bound: [Name] = []
  /// r.
  public let rank: Int
  /// Columns of A.
  public let inputCount: Int
  /// Rows of B.
  public let outputCount: Int

  /// Makes an operation whose operands have these shapes.
  ///
  /// - Throws: `FormatError.manifest` where the operands do not fit each other ([LOW-1]).
  public init(
    target: Name, a: (Operand, TensorInfo), b: (Operand, TensorInfo), scale: Double,
    layout: Layout, layoutSource: LayoutSource?
  ) throws(FormatError) {
    let (aShape, bShape) = (a.0.shape(in: a.1), b.0.shape(in: b.1))
    guard aShape.count == 2, bShape.count == 2, a.1.type.isFloat, b.1.type.isFloat,
      aShape[0] == bShape[1]
    else {
      throw .manifest(
        "add_low_rank on \(target): A \(aShape) \(a.1.type.rawValue) and B \(bShape) "
          + "\(b.1.type.rawValue) are not [r, in] and [out, r] of floats")
    }
    self.target = target
    self.a = a.0
    self.b = b.0
    self.scale = scale
    self.layout = layout
    self.layoutSource = layoutSource
    (rank, inputCount, outputCount) = (aShape[0], aShape[1], bShape[0])
  }

  /// The shape the target has if it is stored in this layout.
  public func targetShape(_ layout: Layout) -> [Int] {
    layout == .inOut ? [inputCount, outputCount] : [outputCount, inputCount]
  }
}

// MARK: - As the manifest lists it

extension AddLowRank {
  static let op = "add_low_rank"

  /// Reads a record; nil where it holds a key or a role that this version does not know ([OPS-2]).
  init?(
    _ record: OperationRecord, tensor: (Name) -> TensorInfo?
  ) throws(FormatError) {
    var roles = Remaining(record.tensors.map { ($0.role, $0.operand) })
    var attributes = Remaining(record.attributes.map { ($0.key, $0.value) })
    let a = roles.take("a")
    let b = roles.take("b")
    let scale = attributes.take("scale")
    let layout = attributes.take("layout")
    let layoutSource = attributes.take("layout_from")
    guard roles.isEmpty, attributes.isEmpty else { return nil }
    guard let target = record.target, let a, let b, let scale = scale?.double else {
      throw .manifest("\(Self.op) needs target, a, b and a numeric scale")
    }
    guard case .string(let text) = layout, let layout = Layout(rawValue: text) else {
      throw .manifest("\(Self.op) on \(target): the layout is out_in, in_out or unresolved")
    }
    guard let aInfo = tensor(a.tensor), let bInfo = tensor(b.tensor) else { return nil }
    try self.init(
      target: target, a: (a, aInfo), b: (b, bInfo), scale: scale, layout: layout,
      layoutSource: try Self.layoutSource(layoutSource))
    shape = record.shape
    bound = record.bound
    if let shape, layout != .unresolved, shape.dimensions != targetShape(layout) {
      throw .manifest("\(Self.op) on \(target): shape \(shape) is not \(targetShape(layout))")
    }
  }

  private static func layoutSource(_ value: JSONValue?) throws(FormatError) -> LayoutSource? {
    guard let value else { return nil }
    guard case .string(let text) = value, let source = LayoutSource(rawValue: text) else {
      throw .manifest("\(op): layout_from is not one of the words of the specification")
    }
    return source
  }

  var record: OperationRecord {
    var record = OperationRecord(
      op: Self.op, target: target, tensors: [.init("a", a), .init("b", b)],
      attributes: [
        JSONValue.Member("scale", .number(scale)),
        JSONValue.Member("layout", .string(layout.rawValue)),
      ])
    if let layoutSource {
      record.attributes.append(JSONValue.Member("layout_from", .string(layoutSource.rawValue)))
    }
    record.shape = shape
    record.bound = bound
    return record
  }
}

extension Operand {
  /// The dimensions of the part that is used.
  func shape(in info: TensorInfo) -> [Int] {
    window?.map(\.count) ?? info.shape.dimensions
  }
}
