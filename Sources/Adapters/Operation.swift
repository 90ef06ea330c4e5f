public import AdapterFormat
public import Storage
public import StrictJSON

/// What an adapter does to one parameter of its base: one payload per operation of
/// Spec/adp-v1.md, section 8.
@nonexhaustive
public enum Operation: Sendable, Hashable {
  /// W ← W + scale · B · A.
  case addLowRank(AddLowRank)
  /// An operation that this version carries and cannot apply, and why.
  case unsupported(OperationRecord, reason: String)

  /// Reads an operation of a manifest.
  ///
  /// - Parameters:
  ///   - record: the operation as listed.
  ///   - tensor: the element type and shape of a tensor; nil for one in an opaque stream.
  /// - Throws: `FormatError.manifest` where a known operation breaks its section's rules.
  public init(
    _ record: OperationRecord, tensor: (Name) -> TensorInfo?
  ) throws(FormatError) {
    for operand in record.operands where tensor(operand.tensor) == nil {
      self = .unsupported(record, reason: "tensor \(operand.tensor) is of a later version")
      return
    }
    if let key = record.unknownOperandKey {
      self = .unsupported(record, reason: "key \"\(key)\" in an operand")
      return
    }
    switch record.op {
    case AddLowRank.op:
      if let operation = try AddLowRank(record, tensor: tensor) {
        self = .addLowRank(operation)
      } else {
        self = .unsupported(record, reason: "\(record.op) with keys of a later version")
      }
    default: self = .unsupported(record, reason: "operation \(record.op)")
    }
  }

  /// The operation's name in the specification.
  public var name: String { record.op }

  /// The parameter it changes; nil where it changes none.
  public var target: Name? { record.target }

  /// As the manifest lists it.
  public var record: OperationRecord {
    switch self {
    case .addLowRank(let operation): operation.record
    case .unsupported(let record, _): record
    }
  }
}

/// The roles or keys of an operation that its payload has not taken yet.
struct Remaining<Value> {
  private var entries: [(key: Name, value: Value)]

  init(_ entries: [(key: Name, value: Value)]) {
    self.entries = entries
  }

  var isEmpty: Bool { entries.isEmpty }

  mutating func take(_ key: Name) -> Value? {
    guard let index = entries.firstIndex(where: { $0.key == key }) else { return nil }
    return entries.remove(at: index).value
  }
}
