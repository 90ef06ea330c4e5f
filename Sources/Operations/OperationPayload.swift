package import AdapterFormat
internal import Storage
package import StrictJSON

/// What the payload of every operation states of itself.
package protocol OperationPayload: Sendable, Hashable {
  /// Its name in the specification.
  static var op: String { get }
  /// The roles and the keys that its section of the specification gives; one that is not here makes
  /// the operation opaque ([OPS-2]).
  static var vocabulary: (roles: [Name], keys: [Name]) { get }

  /// The parameter it changes; nil where it changes none.
  var target: Target? { get set }
  /// What its operands say of the target's shape.
  var extent: Extent { get }
  /// Its operands in their roles.
  var operands: [(role: Name, operand: Operand?)] { get }
  /// Its own keys.
  var attributes: [(key: Name, value: JSONValue?)] { get }
  /// Its numbers for people, such as a rank.
  var summary: OperationSummary { get }
  /// Itself as one of all operations.
  var operation: Operation { get }

  /// Reads it from a record whose roles and keys are all in the vocabulary.
  init(_ fields: OperationFields) throws(FormatError)
  /// The rules of its section; a text for the first that it breaks.
  func fault() -> String?
}

extension OperationPayload {
  package var extent: Extent { .elements(0) }

  /// As the manifest lists it.
  package var record: OperationRecord {
    var members = attributes.compactMap { entry in
      entry.value.map { JSONValue.Member(entry.key, $0) }
    }
    if let layout = target?.layout {
      members.append(.init("layout", .string(layout.rawValue)))
      if let source = target?.layoutSource {
        members.append(.init("layout_from", .string(source.rawValue)))
      }
    }
    let roles = operands.compactMap { entry in
      entry.operand.map { OperationRecord.Role(entry.role, $0) }
    }
    var record = OperationRecord(
      op: Self.op, target: target?.name, tensors: roles, attributes: members)
    record.shape = target?.shape
    record.bound = target?.bound ?? []
    return record
  }

  /// Holds it against the rules of its section.
  func check() throws(FormatError) {
    let name = target.map { " on \($0.name)" } ?? ""
    for case (let key, .number(let number)?) in attributes where !number.isFinite {
      throw .manifest("\(Self.op)\(name): \"\(key)\" is \(number)")
    }
    if let fault = fault() { throw .manifest("\(Self.op)\(name): \(fault)") }
    guard let target, let shape = target.shape, target.layout != .unresolved else { return }
    guard extent.fits(shape.dimensions, target.layout ?? .outIn) else {
      throw .manifest(
        "\(Self.op)\(name): shape \(shape) is not \(extent.description(target.layout ?? .outIn))")
    }
  }
}

/// The payload of an operation on a weight.
package protocol WeightPayload: OperationPayload {
  /// The weight.
  var weight: Target { get set }
}

extension WeightPayload {
  package var target: Target? {
    get { weight }
    set { if let newValue { weight = newValue } }
  }
}

/// The payload of an operation on any parameter.
package protocol ParameterPayload: OperationPayload {
  /// The parameter.
  var parameter: Target { get set }
}

extension ParameterPayload {
  package var target: Target? {
    get { parameter }
    set { if let newValue { parameter = newValue } }
  }
}
