internal import AdapterFormat
internal import Storage
internal import StrictJSON

/// Two factors of a product, [out, r] and [r, in · k …]; or, around a core [r, r, k, …], [r, out] and
/// [r, in] (a CP decomposition of a convolution's kernel).
public struct FactorPair: Sendable, Hashable {
  /// The factor of the outputs.
  public var a: TypedOperand
  /// The factor of the inputs.
  public var b: TypedOperand
  /// The core.
  public var core: TypedOperand?

  /// Pairs two factors.
  public init(a: TypedOperand, b: TypedOperand, core: TypedOperand? = nil) {
    self.a = a
    self.b = b
    self.core = core
  }

  /// r.
  public var rank: Int { b.shape.first ?? 0 }

  /// [out, in, k, …], or [out, in · k …] where there is no core.
  package var shape: [Int] {
    guard let core else { return [a.shape[0], b.shape[1]] }
    return [a.shape[1], b.shape[1]] + core.shape.dropFirst(2)
  }

  var extent: Extent {
    guard let core else { return .matrix(output: shape[0], input: shape[1]) }
    // A kernel of one dimension has a 1 at the end of its core.
    let kernel = core.shape.count == 4 && core.shape[3] == 1 ? [] : Array(shape.dropFirst())
    return .matrix(output: shape[0], input: shape.dropFirst().reduce(1, *), kernel: kernel)
  }

  func fault() -> String? {
    guard a.type.isFloat, b.type.isFloat, a.shape.count == 2, b.shape.count == 2 else {
      return "factors \(a.shape) and \(b.shape) are not matrices of floats"
    }
    guard let core else {
      return a.shape[1] == b.shape[0] ? nil : "factors \(a.shape) and \(b.shape) do not agree in r"
    }
    guard core.type.isFloat, core.shape.count >= 3,
      core.shape[0] == a.shape[0], core.shape[1] == b.shape[0]
    else { return "core \(core.shape) is not that of \(a.shape) and \(b.shape)" }
    guard checkedProduct(shape) != nil else { return "too large" }
    return nil
  }
}

/// A factor of a Kronecker product: a tensor, or a product of two.
public enum Factor: Sendable, Hashable {
  /// The tensor itself.
  case whole(TypedOperand)
  /// A product.
  case product(FactorPair)

  init(
    _ fields: OperationFields, _ whole: Name, _ a: Name, _ b: Name, core: Name?
  ) throws(FormatError) {
    if let operand = try fields.optionalOperand(whole) {
      self = .whole(operand)
      for role in [a, b, core].compactMap(\.self) where try fields.optionalOperand(role) != nil {
        throw .manifest("\(AddKronecker.op) has both \(whole) and \(role)")
      }
      return
    }
    var middle: TypedOperand?
    if let core { middle = try fields.optionalOperand(core) }
    self = .product(
      FactorPair(a: try fields.operand(a), b: try fields.operand(b), core: middle))
  }

  /// The tensor; nil for a product.
  public var whole: TypedOperand? { if case .whole(let operand) = self { operand } else { nil } }
  /// The factors; nil for a tensor.
  public var pair: FactorPair? { if case .product(let pair) = self { pair } else { nil } }

  package var shape: [Int] { whole?.shape ?? pair?.shape ?? [] }
  package var columns: Int { shape.dropFirst().reduce(1, *) }

  func fault() -> String? {
    if let whole {
      return whole.type.isFloat && whole.shape.count >= 2
        ? nil : "factor \(whole.shape) \(whole.type.rawValue) is not a matrix of floats"
    }
    return pair?.fault()
  }
}

extension FactorPair {
  /// The product's factors; a core is multiplied into that of the inputs.
  func factors<Scalar: ComputeScalar>(
    _ operands: inout OperandLoader
  ) throws -> LowRankFactors<Scalar> {
    let (left, right): ([Scalar], [Scalar]) = (try operands.values(a), try operands.values(b))
    guard let core else {
      return try LowRankFactors(a: right, b: left, rank: rank, inputCount: b.shape[1])
    }
    // f[p, q, k] = Σᵢ a[i, p] · (Σⱼ core[i, j, k] · b[j, q])
    let (inner, outputs, inputs) = (a.shape[0], a.shape[1], b.shape[1])
    let positions = core.shape.dropFirst(2).reduce(1, *)
    let middle: [Double] = try operands.values(core)
    var product = [Double](repeating: 0, count: inner * inputs * positions)
    for i in 0..<inner {
      for j in 0..<b.shape[0] {
        for q in 0..<inputs {
          let factor = Double(right[j * inputs + q])
          for k in 0..<positions {
            product[(i * inputs + q) * positions + k] +=
              middle[(i * b.shape[0] + j) * positions + k] * factor
          }
        }
      }
    }
    let transposed = (0..<outputs * inner).map { left[$0 % inner * outputs + $0 / inner] }
    return try LowRankFactors(
      a: product.map(Scalar.init), b: transposed, rank: inner, inputCount: inputs * positions)
  }
}

extension Factor {
  /// All values, row-major.
  func dense<Scalar: ComputeScalar>(_ operands: inout OperandLoader) throws -> [Scalar] {
    switch self {
    case .whole(let operand): return try operands.values(operand)
    case .product(let pair):
      let factors: LowRankFactors<Scalar> = try pair.factors(&operands)
      let rows = pair.shape[0]
      var values = [Scalar](repeating: 0, count: rows * factors.inputCount)
      factors.add(.outIn, times: 1, rows: 0..<rows, columns: factors.inputCount, to: &values)
      return values
    }
  }
}
