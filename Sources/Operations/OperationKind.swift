package import AdapterFormat
package import Storage
package import StrictJSON

/// Everything that one operation of Spec/adp-v1.md, section 8, states of itself, in one file: how a manifest lists it,
/// which rules it has, how it behaves beside others, and what it does to numbers.
///
/// The rest of the program asks these requirements and never which operation it has in hand. Those without a default
/// are the ones that would be silently wrong where they were forgotten.
package protocol OperationKind: Sendable, Hashable {
  // MARK: In the manifest

  /// Its name in the specification.
  static var op: String { get }
  /// The roles and the keys that its section of the specification gives; any other makes the operation opaque
  /// ([OPS-2]).
  static var vocabulary: (roles: [Name], keys: [Name]) { get }
  /// Reads it from a record whose roles and keys are all in the vocabulary.
  init(_ fields: OperationFields) throws(FormatError)
  /// The rules of its section; a text for the first that it breaks.
  func fault() -> String?
  /// The parameter it changes; nil where it changes none.
  var parameter: Target? { get set }
  /// Its operands in their roles.
  var operands: [(role: Name, operand: Operand?)] { get }
  /// Its own keys.
  var attributes: [(key: Name, value: JSONValue?)] { get }
  /// Its numbers for people, such as a rank.
  var summary: OperationSummary { get }

  // MARK: Beside others

  /// The constraints that its operands put on the target's shape.
  var extent: Extent { get }
  /// How it behaves beside other operations and on a base.
  var laws: Laws { get }
  /// The cost of applying it.
  var cost: Cost { get }
  /// The data that can be measured without a base.
  var measurable: Measurable { get }

  // MARK: In numbers

  /// The product of two factors that it is, or makes its change of; nil where there is none.
  var lowRank: (any LowRankKind)? { get }
  /// Itself, where it has a meaning for the outputs of a layer whose weight stays as it is.
  var layerKind: (any LayerKind)? { get }
  /// Its part in the change of a stored tensor, its operands loaded.
  ///
  /// - Parameters:
  ///   - part: which part of it, on which part of the tensor.
  ///   - operands: loads them.
  ///   - shape: of the stored tensor.
  /// - Throws: `FormatError` where operands cannot be read or are damaged, `AdapterError` where the numbers are not
  ///   ones it is defined for.
  /// - Returns: what the engine applies, in order.
  func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>]
  /// Where it is alone on a tensor and can work on the stored bytes themselves, how; nil where it works on numbers.
  ///
  /// - Parameters:
  ///   - adapter: whose operation it is.
  ///   - type: the element type of the result.
  ///   - stored: the element type in the base.
  /// - Throws: `FormatError` where operands cannot be read or are damaged, `AdapterError` where the types do not fit.
  /// - Returns: the program of the bytes.
  func byteProgram(
    of adapter: Adapter, as type: ElementType, from stored: ElementType
  ) throws -> (any ByteProgram)?
}

extension OperationKind {
  package func byteProgram(
    of adapter: Adapter, as type: ElementType, from stored: ElementType
  ) throws -> (any ByteProgram)? { nil }

  /// The keys that every operation on a weight matrix has besides its own.
  static var layoutKeys: [Name] { ["layout", "layout_from"] }

  /// As the manifest lists it.
  package var record: OperationRecord {
    var members = attributes.compactMap { entry in
      entry.value.map { JSONValue.Member(entry.key, $0) }
    }
    if let layout = parameter?.layout {
      members.append(.init("layout", .string(layout.rawValue)))
      if let source = parameter?.layoutSource {
        members.append(.init("layout_from", .string(source.rawValue)))
      }
    }
    let roles = operands.compactMap { entry in
      entry.operand.map { OperationRecord.Role(entry.role, $0) }
    }
    var record = OperationRecord(
      op: Self.op, target: parameter?.name, tensors: roles, attributes: members)
    record.shape = parameter?.shape
    record.bound = parameter?.bound ?? []
    return record
  }

  /// Holds it against the rules of its section.
  func check() throws(FormatError) {
    let name = parameter.map { " on \($0.name)" } ?? ""
    for case (let key, .number(let number)?) in attributes where !number.isFinite {
      throw .manifest("\(Self.op)\(name): \"\(key)\" is \(number)")
    }
    if let fault = fault() { throw .manifest("\(Self.op)\(name): \(fault)") }
    guard extent.hasLegalSize else {
      throw .manifest("\(Self.op)\(name): a weight of more than 2^53 - 1 elements")
    }
    guard let parameter, let shape = parameter.shape, parameter.layout != .unresolved else {
      return
    }
    let layout = parameter.layout ?? .outIn
    guard extent.fits(shape.dimensions, layout) else {
      throw .manifest(
        "\(Self.op)\(name): shape \(shape) is not \(extent.description(layout))")
    }
  }

  func isEqual(to other: any OperationKind) -> Bool { (other as? Self) == self }
}

/// An operation that changes a parameter of the base.
package protocol TargetedKind: OperationKind {
  /// The parameter.
  var target: Target { get set }
}

extension TargetedKind {
  package var parameter: Target? {
    get { target }
    set { if let newValue { target = newValue } }
  }
}

/// An operation that acts when the model runs, and changes none of its parameters.
package protocol RunTimeKind: OperationKind {}

extension RunTimeKind {
  package var parameter: Target? {
    get { nil }
    set {}
  }
  package var extent: Extent { .elements(0) }
  package var cost: Cost { Cost(perElement: 0) }
  package var lowRank: (any LowRankKind)? { nil }
  package var layerKind: (any LayerKind)? { nil }

  package func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] { [] }
}
