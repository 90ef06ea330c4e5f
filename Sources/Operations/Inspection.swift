public import AdapterFormat
public import Storage
public import StrictJSON

/// The facts about an adapter that are known without its base.
public struct Inspection: Sendable {
  /// The adapter.
  public let adapter: Adapter
  /// Its tensors, but for the files that it carries: those are not parameters, here and below.
  public let tensorCount: Int
  /// Elements of all tensors.
  public let parameterCount: Int
  /// Bytes of all tensors as restored.
  public let byteCount: Int
  /// Stored bytes of its chunks; nil where it is not from an `.adp` file.
  public let storedByteCount: UInt64?
  /// Digest of the weights alone; nil where it is not from an `.adp` file.
  public let weightsDigest: Digest?
  /// Tensors and elements of each element type.
  public let types: [TypeCount]
  /// Operations that are alike.
  public let groups: [OperationGroup]
  /// The warnings for the user.
  public let warnings: [Warning]

  /// Tensors of one element type.
  public struct TypeCount: Sendable, Hashable {
    /// The type.
    public let type: ElementType
    /// How many tensors.
    public let tensors: Int
    /// How many elements in all.
    public let elements: Int
  }

  /// Operations with the same numbers.
  public struct OperationGroup: Sendable, Hashable {
    /// The operation's name.
    public let op: String
    /// Its numbers.
    public let summary: OperationSummary
    /// How the targets are stored; nil where that does not matter.
    public let layout: Layout?
    /// The operations, in order.
    public let operations: [Operation]

    /// The targets, in order; none of an operation that has none.
    public var targets: [Name] { operations.compactMap(\.target?.name) }
  }

  /// Looks at an adapter.
  ///
  /// - Parameters:
  ///   - adapter: the adapter.
  ///   - doubts: what the format that it came from says.
  /// - Throws: `FormatError` where tensors that must be looked at cannot be read; one from an `.adp`
  ///   file is judged by its manifest alone.
  public init(_ adapter: Adapter, doubts: [SourceDoubt] = []) throws(FormatError) {
    self.adapter = adapter
    let trained = adapter.trainedTensors
    tensorCount = trained.count
    parameterCount = trained.reduce(0) { $0 + $1.shape.count }
    byteCount = trained.reduce(0) { $0 + $1.byteCount }
    let record = adapter.file.map { $0.file.manifest.adapters[$0.index] }
    storedByteCount = record?.streams.reduce(0) { $0 + $1.storedByteCount }
    weightsDigest = record?.weightsDigest
    types = ElementType.allCases.compactMap { type in
      let members = trained.filter { $0.type == type }
      let elements = members.reduce(0) { $0 + $1.shape.count }
      return members.isEmpty
        ? nil : TypeCount(type: type, tensors: members.count, elements: elements)
    }
    groups = Self.group(adapter.operations)
    warnings = try Warning.all(of: adapter, doubts: doubts)
  }

  private static func group(_ operations: [Operation]) -> [OperationGroup] {
    var order: [OperationGroup] = []
    var members: [[Operation]] = []
    var places: [OperationGroup: Int] = [:]
    for operation in operations {
      let key = OperationGroup(
        op: operation.name, summary: operation.summary, layout: operation.target?.layout,
        operations: [])
      let place = places[key, default: order.count]
      if place == order.count {
        places[key] = place
        order.append(key)
        members.append([])
      }
      members[place].append(operation)
    }
    return zip(order, members).map {
      .init(op: $0.op, summary: $0.summary, layout: $0.layout, operations: $1)
    }
  }
}
