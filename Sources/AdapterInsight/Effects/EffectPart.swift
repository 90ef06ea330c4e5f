internal import AdapterFormat
internal import Operations
internal import Storage
internal import StrictJSON

/// What a part of an effect is measured on.
public enum EffectSpace: String, Sendable, Hashable, CaseIterable {
  /// ΔW, the change itself, [out, in], or δ of a vector.
  case weight
  /// scale · B · A of an operation that makes something else of it with the weight's own values: DoRA
  /// before its magnitude, HiRA before it multiplies.
  case direction
  /// v − 1 of a factor on the outputs.
  case outputFactor = "output_factor"
  /// v − 1 of a factor on the inputs.
  case inputFactor = "input_factor"
  /// The values that a parameter, or some of its rows, is given.
  case value
  /// The numbers of an operation whose change only a base shows.
  case operands
}

/// A part of what an adapter does to one parameter: operations in a row that can be seen as one.
struct EffectPart: Sendable {
  /// What is measured.
  let space: EffectSpace
  /// What else must agree before another part can be compared with it: the operation with its keys, but
  /// without its target and its tensors' names. Nil for changes, which all add up.
  let signature: OperationRecord?
  /// The numbers.
  let form: Form

  enum Form: Sendable {
    /// A sum of changes that do not depend on the weight.
    case change(AdditiveChange)
    /// A product of low rank that is not yet the change.
    case product(FactoredMatrix)
    /// Operands as they are.
    case vectors([OperandVector])
  }

  /// The parts of what operations do, in order, to one parameter, or to none.
  ///
  /// - Throws: `FormatError` where operands cannot be read.
  static func parts(
    of operations: [Operation], in adapter: Adapter
  ) throws(FormatError) -> [EffectPart] {
    var parts: [EffectPart] = []
    var pending: [Operation] = []
    var shape: Shape?
    func flush() throws(FormatError) {
      guard let known = shape else { return }
      shape = nil
      let change = try AdditiveChange(pending, of: known, in: adapter)
      parts.append(EffectPart(space: .weight, signature: nil, form: .change(change)))
      pending = []
    }
    // The formulas of some are for the weight and those of others for its transpose: only a base can tell
    // what comes of that.
    let isMixed = Set(operations.compactMap(\.decidedLayout)).count > 1
    for operation in operations {
      if !isMixed, operation.isAdditive, let known = operation.logicalShape {
        if shape != known { try flush() }
        shape = known
        pending.append(operation)
      } else {
        try flush()
        parts += try operation.dependentParts(in: adapter)
      }
    }
    try flush()
    return parts
  }
}

extension Operation {
  /// What an operation is apart from where it acts and what its tensors are called.
  fileprivate var signature: OperationRecord {
    var record = record
    record.target = nil
    record.shape = nil
    record.bound = []
    record.attributes.removeAll { ["layout", "layout_from", "result"].contains($0.key) }
    record.tensors = record.tensors.map { .init($0.role, Operand("operand")) }
    return record
  }

  /// The parts of an operation that is not a change by itself.
  fileprivate func dependentParts(in adapter: Adapter) throws(FormatError) -> [EffectPart] {
    func vector(_ operand: TypedOperand, offset: Double = 0) -> OperandVector {
      OperandVector(operand: operand, adapter: adapter, offset: offset)
    }
    func part(_ space: EffectSpace, _ form: EffectPart.Form) -> EffectPart {
      EffectPart(space: space, signature: signature, form: form)
    }
    switch self {
    case .multiply(let multiply):
      let space: EffectSpace = multiply.side == .output ? .outputFactor : .inputFactor
      return [part(space, .vectors([vector(multiply.vector, offset: -1)]))]
    case .replace(let replace): return [part(.value, .vectors([vector(replace.value)]))]
    case .replaceRows(let rows): return [part(.value, .vectors([vector(rows.values)]))]
    case .addLowRank(let low):
      guard let magnitude = low.magnitude, !low.isWide else { break }
      var loader = OperandLoader(adapter)
      let product = FactoredMatrix(try low.factors(&loader), scale: low.scale)
      // The scale is in the product: another scale with other factors is the same.
      return [
        EffectPart(space: .direction, signature: nil, form: .product(product)),
        EffectPart(
          space: .operands, signature: OperationRecord(op: "magnitude", target: nil, tensors: []),
          form: .vectors([vector(magnitude)])),
      ]
    case .scaleLowRank(let low):
      var loader = OperandLoader(adapter)
      let change: ScaleLowRankChange<Double> = try ScaleLowRank(
        weight: Target(low.weight.name, layout: .outIn), a: low.a, b: low.b
      ).load(&loader)
      return [part(.direction, .product(FactoredMatrix(change.factors, scale: 1)))]
    default: break
    }
    let operands = try record.tensors.map { role throws(FormatError) in
      try vector(adapter.typed(role.operand))
    }
    return [part(.operands, .vectors(operands))]
  }
}

extension Adapter {
  /// An operand with its type and shape.
  fileprivate func typed(_ operand: Operand) throws(FormatError) -> TypedOperand {
    guard let info = tensor(operand.tensor) else {
      throw .unsupported("tensor \(operand.tensor)")
    }
    return TypedOperand(operand, in: info)
  }
}
