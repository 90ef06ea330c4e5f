internal import AdapterFormat
internal import Operations
internal import Storage
internal import StrictJSON

/// The quantity on which a part of an effect is measured.
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
  /// The quantity that is measured.
  let space: EffectSpace
  /// The record that must also agree before another part can be compared with this one: the operation with its keys,
  /// but without its target and its tensors' names; for a product the operation alone, as its keys are in the numbers.
  /// Nil for changes, which all add up.
  let signature: OperationRecord?
  /// The numbers.
  let form: Form

  enum Form: Sendable {
    /// A sum of changes that do not depend on the weight.
    case change(AdditiveEffect)
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
  ) throws -> [EffectPart] {
    var parts: [EffectPart] = []
    var pending: [Operation] = []
    var shape: Shape?
    func flush() throws {
      guard let known = shape else { return }
      shape = nil
      let change = try AdditiveEffect(pending, of: known, in: adapter)
      parts.append(EffectPart(space: .weight, signature: nil, form: .change(change)))
      pending = []
    }
    // The formulas of some are for the weight and those of others for its transpose: only a base can tell
    // what comes of that.
    let isMixed = Set(operations.compactMap(\.decidedLayout)).count > 1
    for operation in operations {
      if !isMixed, operation.isChange, let known = operation.logicalShape {
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
  /// True if its change is the same on every weight.
  var isChange: Bool { kind?.measurable.isChange ?? false }

  /// The record of the operation without the place where it acts and the names of its tensors.
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
  fileprivate func dependentParts(in adapter: Adapter) throws -> [EffectPart] {
    func vector(_ operand: TypedOperand, offset: Double = 0) -> OperandVector {
      OperandVector(operand: operand, adapter: adapter, offset: offset)
    }
    func part(_ space: EffectSpace, _ operand: TypedOperand, offset: Double = 0) -> EffectPart {
      EffectPart(
        space: space, signature: signature, form: .vectors([vector(operand, offset: offset)]))
    }
    switch kind?.measurable {
    case .factor(let operand, .output): return [part(.outputFactor, operand, offset: -1)]
    case .factor(let operand, .input): return [part(.inputFactor, operand, offset: -1)]
    case .values(let operand, _): return [part(.value, operand)]
    case .direction(let others):
      guard let low = kind?.lowRank else { break }
      var operands = OperandLoader(adapter)
      let products: [LowRankFactors<Double>] = try low.factors(&operands, nil)
      let directions = products.map {
        EffectPart(
          space: .direction, signature: OperationRecord(op: name, target: nil, tensors: []),
          form: .product(FactoredMatrix($0)))
      }
      return directions
        + others.map { name, operand in
          EffectPart(
            space: .operands, signature: OperationRecord(op: name, target: nil, tensors: []),
            form: .vectors([vector(operand)]))
        }
    case .change, .elements, .prompt, .operands, nil: break
    }
    let all = try record.tensors.map { try vector(adapter.typed($0.operand)) }
    return [EffectPart(space: .operands, signature: signature, form: .vectors(all))]
  }
}

extension Adapter {
  /// An operand with its type and shape.
  fileprivate func typed(_ operand: Operand) throws -> TypedOperand {
    guard let info = tensor(operand.tensor) else {
      throw FormatError.unsupported("tensor \(operand.tensor)")
    }
    return TypedOperand(operand, in: info)
  }
}
