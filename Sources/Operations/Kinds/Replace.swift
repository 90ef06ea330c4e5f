package import AdapterFormat
public import Storage
package import StrictJSON

/// p ← value (Spec/adp-v1.md, section 8.4): a parameter that was trained in full.
public struct Replace: Sendable, Hashable {
  /// The parameter, or a buffer.
  public var target: Target
  /// Its value, of any type and shape.
  public var value: TypedOperand
  /// The treatment of a base that lacks the parameter.
  public var absent: Absence
  /// True if the first dimension may differ from the base's, as after a new vocabulary.
  public var canResize: Bool
  /// SHA-256 of the parameter's bytes after the change of the base it was extracted from.
  public var result: Digest?

  /// The treatment of a base that lacks the parameter.
  public enum Absence: String, Sendable, Hashable, CaseIterable {
    /// It is not the right base.
    case refuse
    /// The parameter is made, as for a new head.
    case create
    /// The operation is left out.
    case skip
  }

  /// Makes a replacement.
  public init(
    target: Target, value: TypedOperand, absent: Absence = .refuse, canResize: Bool = false,
    result: Digest? = nil
  ) {
    self.target = target
    self.value = value
    self.absent = absent
    self.canResize = canResize
    self.result = result
  }
}

extension Replace: TargetedKind {
  package static let op = "replace"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (
    ["value"], ["absent", "resize", "result"]
  )

  package var extent: Extent { .tensor(value.shape, canResize: canResize) }

  package init(_ fields: OperationFields) throws(FormatError) {
    target = try fields.target()
    value = try fields.operand("value")
    absent = try fields.word("absent", absent: .refuse)
    canResize = try fields.flag("resize")
    result = try fields.optionalDigest("result")
  }

  /// [REP-1].
  package func fault() -> String? {
    canResize && value.shape.isEmpty ? "a scalar has no size to change" : nil
  }

  package var operands: [(role: Name, operand: Operand?)] { [("value", value.operand)] }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [
      ("absent", absent == .refuse ? nil : .string(absent.rawValue)),
      ("resize", canResize ? .boolean(true) : nil),
      ("result", result.map { .string($0.description) }),
    ]
  }

  package var summary: OperationSummary {
    let traits = [
      absent == .refuse ? nil : "\(absent.rawValue) if absent", canResize ? "may resize" : nil,
    ]
    return OperationSummary(traits: traits.compactMap(\.self))
  }

  package var laws: Laws {
    var laws = Laws(.replaces(value))
    laws.stacks = .any
    laws.absence =
      switch absent {
      case .refuse: .refuse
      case .skip: .skip
      case .create: .make(value.type, value.shape)
      }
    laws.result = result
    return laws
  }

  package var cost: Cost { .loop() }

  package var measurable: Measurable { .values(value, areRows: false) }

  package var lowRank: (any LowRankKind)? { nil }

  package var layerKind: (any LayerKind)? { nil }

  package func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] {
    [.gives(ReplaceChange<Scalar>(value: try operands.run(value)))]
  }

  /// Of the parameter's own type, the value is copied, whatever it means.
  package func byteProgram(
    of adapter: Adapter, as type: ElementType, from stored: ElementType
  ) throws -> (any ByteProgram)? {
    guard value.type == type else { return nil }
    return GivenBytes(run: try OperandRun(value, of: adapter), operand: value.operand)
  }
}

/// p ← value.
private struct ReplaceChange<Scalar: ComputeScalar>: TileChange {
  let value: OperandRun

  func apply(to tile: inout Tile<Scalar>) throws {
    let start = tile.rows.lowerBound * tile.columns
    try value.widen(start..<start + tile.count, into: &tile.values)
  }
}

/// The bytes of a value.
private struct GivenBytes: ByteProgram {
  let run: OperandRun
  let operand: Operand

  var nonfiniteOperands: [Operand] { run.isFinite ? [] : [operand] }

  func apply(
    _ stored: UnsafeRawBufferPointer, to result: UnsafeMutableRawBufferPointer, _ type: ElementType,
    _ grid: TileGrid, _ rows: Range<Int>
  ) throws {
    let elements = rows.lowerBound * grid.columns..<rows.upperBound * grid.columns
    unsafe result.copyBytes(from: try run.bytes(ofElements: elements))
  }
}
