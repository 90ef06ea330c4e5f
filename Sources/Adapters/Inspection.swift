public import AdapterFormat
public import Storage
public import StrictJSON

/// What there is to know of an adapter without its base.
public struct Inspection: Sendable {
  /// The adapter.
  public let adapter: Adapter
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
  /// What a user should know.
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
    /// Rank, scale and layout, where it is of low rank.
    public let lowRank: LowRank?
    /// The targets, in order.
    public let targets: [Name]

    /// The numbers of a low-rank change.
    public struct LowRank: Sendable, Hashable {
      /// r.
      public let rank: Int
      /// What the product is multiplied with.
      public let scale: Double
      /// How the targets are stored.
      public let layout: Layout
    }
  }

  /// Looks at an adapter.
  ///
  /// - Throws: `FormatError` where tensors that must be looked at cannot be read; one from an `.adp`
  ///   file is judged by its manifest alone.
  public init(_ adapter: Adapter) throws(FormatError) {
    self.adapter = adapter
    parameterCount = adapter.tensors.reduce(0) { $0 + $1.shape.count }
    byteCount = adapter.tensors.reduce(0) { $0 + $1.byteCount }
    let record = adapter.file.map { $0.file.manifest.adapters[$0.index] }
    storedByteCount = record?.streams.reduce(0) { $0 + $1.storedByteCount }
    weightsDigest = record?.weightsDigest
    types = ElementType.allCases.compactMap { type in
      let members = adapter.tensors.filter { $0.type == type }
      let elements = members.reduce(0) { $0 + $1.shape.count }
      return members.isEmpty
        ? nil : TypeCount(type: type, tensors: members.count, elements: elements)
    }
    groups = Self.group(adapter.operations)
    warnings = try Warning.all(of: adapter)
  }

  private static func group(_ operations: [Operation]) -> [OperationGroup] {
    var order: [OperationGroup] = []
    var targets: [[Name]] = []
    var places: [OperationGroup: Int] = [:]
    for operation in operations {
      let lowRank: OperationGroup.LowRank? =
        if case .addLowRank(let low) = operation {
          .init(rank: low.rank, scale: low.scale, layout: low.layout)
        } else { nil }
      let key = OperationGroup(op: operation.name, lowRank: lowRank, targets: [])
      let place = places[key, default: order.count]
      if place == order.count {
        places[key] = place
        order.append(key)
        targets.append([])
      }
      if let target = operation.target { targets[place].append(target) }
    }
    return zip(order, targets).map { .init(op: $0.op, lowRank: $0.lowRank, targets: $1) }
  }
}
