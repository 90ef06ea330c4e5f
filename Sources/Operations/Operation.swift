public import AdapterFormat
public import Storage
public import StrictJSON

/// A change that an adapter makes to one parameter of its base, or to what runs beside it: one of the operations of
/// Spec/adp-v1.md, section 8, or one of a later version, which is carried and not applied.
public struct Operation: Sendable {
  private var content: Content

  private enum Content: Sendable {
    case known(any OperationKind)
    case opaque(OperationRecord, reason: String)
  }

  /// The operation; nil for one that this version does not know.
  package var kind: (any OperationKind)? {
    guard case .known(let kind) = content else { return nil }
    return kind
  }

  /// Wraps an operation.
  ///
  /// - Throws: `FormatError.manifest` where it breaks its section's rules.
  package init(_ kind: some OperationKind) throws(FormatError) {
    try kind.check()
    content = .known(kind)
  }

  /// Reads an operation of a manifest.
  ///
  /// - Parameters:
  ///   - record: the operation as listed.
  ///   - tensor: the element type and shape of a tensor; nil for one in an opaque stream.
  /// - Throws: `FormatError.manifest` where a known operation breaks its section's rules.
  public init(
    _ record: OperationRecord, tensor: @escaping (Name) -> TensorInfo?
  ) throws(FormatError) {
    let kind = Self.known.first { $0.op == record.op }
    if let reason = Self.reasonNotToRead(record, kind, tensor) {
      content = .opaque(record, reason: reason)
    } else if let kind {
      let read = try kind.init(OperationFields(record, tensor))
      try read.check()
      content = .known(read)
    } else {
      content = .opaque(record, reason: "operation \(record.op)")
    }
  }

  /// [OPS-2] and [OPS-3].
  private static func reasonNotToRead(
    _ record: OperationRecord, _ kind: (any OperationKind.Type)?, _ tensor: (Name) -> TensorInfo?
  ) -> String? {
    if let operand = record.operands.first(where: { tensor($0.tensor) == nil }) {
      return "tensor \(operand.tensor) is of a later version"
    }
    if let key = record.unknownOperandKey { return "key \"\(key)\" in an operand" }
    guard let (roles, keys) = kind?.vocabulary else { return nil }
    let unknown =
      record.tensors.map(\.role).first { !roles.contains($0) }
      ?? record.attributes.map(\.key).first { !keys.contains($0) }
    return unknown.map { "\(record.op) with \"\($0)\"" }
  }

  /// Why this version cannot apply it; nil where it can.
  public var reasonNotApplied: String? {
    guard case .opaque(_, let reason) = content else { return nil }
    return reason
  }

  /// The operation as what it is, for instance `AddLowRank`; nil where it is another.
  public func `as`<Kind>(_: Kind.Type) -> Kind? { kind as? Kind }

  /// The operation's name in the specification.
  public var name: String {
    switch content {
    case .known(let kind): type(of: kind).op
    case .opaque(let record, _): record.op
    }
  }

  /// The parameter it changes; nil where it changes none.
  public var target: Target? { kind?.parameter }

  /// The operation with another target: what a base has decided.
  package func with(_ target: Target) -> Operation {
    guard var kind else { return self }
    kind.parameter = target
    var result = self
    result.content = .known(kind)
    return result
  }

  /// Returns true if the operation can change a parameter of this shape: its operands allow the shape, and so does the
  /// recorded shape, if any ([BND-2]).
  package func fits(_ shape: [Int], _ layout: Layout) -> Bool {
    guard let extent = kind?.extent, extent.fits(shape, layout) else { return false }
    guard let recorded = target?.shape?.dimensions, recorded != shape else { return true }
    guard case .tensor(_, canResize: true) = extent else { return false }
    return recorded.count == shape.count && recorded.dropFirst() == shape.dropFirst()
  }

  /// Returns true if the operation can change a parameter of this shape in at least one layout that it may have.
  package func fits(_ shape: [Int]) -> Bool {
    let layouts: [Layout] = target?.layout == nil ? [.outIn] : [.outIn, .inOut]
    return layouts.contains { fits(shape, $0) }
  }

  /// Describes the shape that is expected in the place of this one, for an error message.
  package func expectation(of shape: [Int], _ layout: Layout) -> String {
    guard let extent = kind?.extent else { return "another" }
    guard extent.fits(shape, layout), let recorded = target?.shape else {
      return extent.description(layout)
    }
    return "\(recorded)"
  }

  /// Its numbers for people.
  public var summary: OperationSummary { kind?.summary ?? OperationSummary() }

  /// The tensors it uses.
  public var operands: [Operand] {
    switch content {
    case .known(let kind): kind.operands.compactMap(\.operand)
    case .opaque(let record, _): record.operands
    }
  }

  /// As the manifest lists it.
  public var record: OperationRecord {
    switch content {
    case .known(let kind): kind.record
    case .opaque(let record, _): record
    }
  }
}

extension Operation: Hashable {
  /// Returns true if both are the same operation with the same keys, operands and target.
  public static func == (left: Operation, right: Operation) -> Bool {
    switch (left.content, right.content) {
    case (.known(let left), .known(let right)): left.isEqual(to: right)
    case (.opaque(let left, _), .opaque(let right, _)): left == right
    case (.known, .opaque), (.opaque, .known): false
    }
  }

  /// Hashes what `==` compares.
  public func hash(into hasher: inout Hasher) {
    switch content {
    case .known(let kind): kind.hash(into: &hasher)
    case .opaque(let record, _): record.hash(into: &hasher)
    }
  }
}

extension JSONValue {
  static func count(_ value: Int) -> JSONValue { .integer(UInt64(value)) }
}
