public import AdapterFormat
public import Storage
public import StrictJSON

/// What an adapter does to one parameter of its base, or to what runs beside it: one payload per
/// operation of Spec/adp-v1.md, section 8.
///
/// The payloads differ much in size, so that each is in memory of its own.
@nonexhaustive
public indirect enum Operation: Sendable, Hashable {
  /// W ← W + scale · B · A, and its kin.
  case addLowRank(AddLowRank)
  /// W ← W ⊙ v.
  case multiply(Multiply)
  /// p ← p + scale · δ.
  case add(Add)
  /// p ← value.
  case replace(Replace)
  /// Rows of p ← values.
  case replaceRows(ReplaceRows)
  /// A soft prompt before the input's embeddings.
  case prependEmbeddings(PrependEmbeddings)
  /// Keys and values before those of the input.
  case prependKV(PrependKV)
  /// W ← W + scale · (w1_a · w1_b) ⊙ (w2_a · w2_b).
  case addHadamard(AddHadamard)
  /// W ← W + scale · w1 ⊗ w2.
  case addKronecker(AddKronecker)
  /// Single elements of W ← W + scale · values.
  case addSparse(AddSparse)
  /// W ← W + a small matrix, repeated.
  case addBlocks(AddBlocks)
  /// W ← W + circulant blocks.
  case addCirculant(AddCirculant)
  /// W ← W + blocks of low rank.
  case addGroupedLowRank(AddGroupedLowRank)
  /// W ← W + a product of normalised factors.
  case addNormalisedLowRank(AddNormalisedLowRank)
  /// W ← W + W° ⊙ (B · A).
  case scaleLowRank(ScaleLowRank)
  /// W ← W · Rᵀ.
  case rotateInput(RotateInput)
  /// W ← s ⊙ W · M₀ᵀ · M₁ᵀ ⋯.
  case rotateButterfly(RotateButterfly)
  /// W ← W · ∏ (I − 2 u uᵀ).
  case reflectInput(ReflectInput)
  /// Pairs of outputs rotated.
  case rotateOutput(RotateOutput)
  /// W ← W + an inverse Fourier transform.
  case addSpectral(AddSpectral)
  /// Elements of p ← their bits before a change.
  case restore(Restore)
  /// An operation that this version carries and cannot apply, and why.
  case unsupported(OperationRecord, reason: String)

  /// Every operation that this version applies.
  private static let known: [any OperationPayload.Type] = [
    AddLowRank.self, Multiply.self, Add.self, Replace.self, ReplaceRows.self,
    PrependEmbeddings.self, PrependKV.self, AddHadamard.self, AddKronecker.self, AddSparse.self,
    AddBlocks.self, AddCirculant.self, AddGroupedLowRank.self, AddNormalisedLowRank.self,
    ScaleLowRank.self, RotateInput.self, RotateButterfly.self, ReflectInput.self, RotateOutput.self,
    AddSpectral.self, Restore.self,
  ]

  /// The payload; nil for an operation that this version does not know.
  package var payload: (any OperationPayload)? {
    switch self {
    case .addLowRank(let payload): payload
    case .multiply(let payload): payload
    case .add(let payload): payload
    case .replace(let payload): payload
    case .replaceRows(let payload): payload
    case .prependEmbeddings(let payload): payload
    case .prependKV(let payload): payload
    case .addHadamard(let payload): payload
    case .addKronecker(let payload): payload
    case .addSparse(let payload): payload
    case .addBlocks(let payload): payload
    case .addCirculant(let payload): payload
    case .addGroupedLowRank(let payload): payload
    case .addNormalisedLowRank(let payload): payload
    case .scaleLowRank(let payload): payload
    case .rotateInput(let payload): payload
    case .rotateButterfly(let payload): payload
    case .reflectInput(let payload): payload
    case .rotateOutput(let payload): payload
    case .addSpectral(let payload): payload
    case .restore(let payload): payload
    case .unsupported: nil
    }
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
    if let reason = Self.reasonNotToRead(record, tensor) {
      self = .unsupported(record, reason: reason)
      return
    }
    guard let kind = Self.known.first(where: { $0.op == record.op }) else {
      self = .unsupported(record, reason: "operation \(record.op)")
      return
    }
    try self.init(try kind.init(OperationFields(record, tensor)))
  }

  /// Wraps a payload.
  ///
  /// - Throws: `FormatError.manifest` where it breaks its section's rules.
  package init(_ payload: some OperationPayload) throws(FormatError) {
    try payload.check()
    self = payload.operation
  }

  /// [OPS-2] and [OPS-3].
  private static func reasonNotToRead(
    _ record: OperationRecord, _ tensor: (Name) -> TensorInfo?
  ) -> String? {
    if let operand = record.operands.first(where: { tensor($0.tensor) == nil }) {
      return "tensor \(operand.tensor) is of a later version"
    }
    if let key = record.unknownOperandKey { return "key \"\(key)\" in an operand" }
    guard let kind = known.first(where: { $0.op == record.op }) else { return nil }
    let unknown =
      record.tensors.map(\.role).first { !kind.vocabulary.roles.contains($0) }
      ?? record.attributes.map(\.key).first { !kind.vocabulary.keys.contains($0) }
    return unknown.map { "\(record.op) with \"\($0)\"" }
  }

  /// The operation's name in the specification.
  public var name: String {
    if case .unsupported(let record, _) = self { return record.op }
    return payload.map { type(of: $0).op } ?? ""
  }

  /// The parameter it changes; nil where it changes none.
  public var target: Target? { payload?.target }

  /// The operation with another target: what a base has decided.
  package func with(_ target: Target) -> Operation {
    guard var payload else { return self }
    payload.target = target
    return payload.operation
  }

  /// Its numbers for people.
  public var summary: OperationSummary { payload?.summary ?? OperationSummary() }

  /// The tensors it uses.
  public var operands: [Operand] {
    if case .unsupported(let record, _) = self { return record.operands }
    return payload?.operands.compactMap(\.operand) ?? []
  }

  /// As the manifest lists it.
  public var record: OperationRecord {
    if case .unsupported(let record, _) = self { return record }
    return payload?.record ?? OperationRecord(op: "", target: nil, tensors: [])
  }
}

extension OperationPayload {
  /// The keys that every operation on a weight matrix has besides its own.
  static var layoutKeys: [Name] { ["layout", "layout_from"] }
}

extension JSONValue {
  static func count(_ value: Int) -> JSONValue { .integer(UInt64(value)) }
}
