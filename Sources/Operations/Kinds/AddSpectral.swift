package import AdapterFormat
internal import RealModule
package import Storage
package import StrictJSON

/// W ← W + the real part of an inverse Fourier transform of a few coefficients (Spec/operations/AddSpectral.md; FourierFT, arXiv:2405.03003).
public struct AddSpectral: Sendable, Hashable {
  /// The weight.
  public var target: Target
  /// The coefficients, [n].
  public var spectrum: TypedOperand
  /// Their frequencies, [2, n] of I32: along the outputs above those along the inputs.
  public var places: TypedOperand
  /// What the transform is multiplied with.
  public var scale: Double

  /// Makes a change.
  public init(target: Target, spectrum: TypedOperand, places: TypedOperand, scale: Double) {
    self.target = target
    self.spectrum = spectrum
    self.places = places
    self.scale = scale
  }
}

extension AddSpectral: TargetedKind {
  package static let op = "add_spectral"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (
    ["spectrum", "places"], ["scale"] + layoutKeys
  )

  package var extent: Extent { .matrix(output: nil, input: nil, isFlat: true) }

  package init(_ fields: OperationFields) throws(FormatError) {
    target = try fields.matrixTarget()
    spectrum = try fields.operand("spectrum")
    places = try fields.operand("places")
    scale = try fields.number("scale")
  }

  /// [SPE-1].
  package func fault() -> String? {
    guard spectrum.type.isFloat, spectrum.shape.count == 1 else {
      return "spectrum \(spectrum.shape) is not a vector of floats"
    }
    return places.type == .i32 && places.shape == [2] + spectrum.shape
      ? nil : "places \(places.shape) \(places.type.rawValue) are not [2, \(spectrum.count)] of I32"
  }

  package var operands: [(role: Name, operand: Operand?)] {
    [("spectrum", spectrum.operand), ("places", places.operand)]
  }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("scale", .number(scale))]
  }

  package var summary: OperationSummary {
    OperationSummary(scale: scale, traits: ["\(spectrum.count) frequencies"])
  }

  package var laws: Laws { Laws(.adds) }

  package var cost: Cost {
    Cost(
      perElement: 2 * Double(spectrum.count) + Cost.loop, ahead: Cost.loop * Double(spectrum.count))
  }

  package var measurable: Measurable { .change }

  /// Only the weight's shape tells how large the factors are.
  package var lowRank: (any LowRankKind)? { target.shape?.dimensions.count == 2 ? self : nil }

  package var layerKind: (any LayerKind)? { nil }

  package func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] {
    let layout = try target.decidedLayout()
    let all: [LowRankFactors<Scalar>] = try factors(&operands, shape)
    return all.map { .adds(LowRankChange(factors: $0, layout: layout)) }
  }
}

extension AddSpectral: LowRankKind {
  package var product: LowRankProduct {
    let matrix = target.shape.map { [$0.dimensions[0], $0.dimensions.dropFirst().reduce(1, *)] }
    let shape = target.layout == .inOut ? matrix?.reversed() : matrix
    return LowRankProduct(
      rank: 2 * spectrum.count, outputCount: shape?[0] ?? 0, inputCount: shape?[1] ?? 0)
  }

  /// cos(α + β) = cos α · cos β − sin α · sin β: each coefficient is a product of rank 2.
  package func factors<Scalar: ComputeScalar>(
    _ operands: inout OperandLoader, _ shape: Shape?
  ) throws -> [LowRankFactors<Scalar>] {
    guard let shape = shape?.dimensions, shape.count == 2 else {
      throw AdapterError(.misuse, on: target.name, "a spectrum of a weight of unknown shape")
    }
    let (out, input) =
      try target.decidedLayout() == .outIn ? (shape[0], shape[1]) : (shape[1], shape[0])
    let spectrum: [Double] = try operands.values(spectrum)
    let (rows, columns) = try frequencies(&operands, out, input)
    let rank = 2 * spectrum.count
    try checkFactors(target, rank: rank, out + input, of: out * input)
    var factors = try LowRankFactors<Scalar>(
      a: Array(repeating: 0, count: rank * input), b: Array(repeating: 0, count: out * rank),
      rank: rank, inputCount: input, scale: scale / Double(out * input))
    let (rowTurns, columnTurns) = (Self.turns(out), Self.turns(input))
    for (index, value) in spectrum.enumerated() {
      let (row, column) = (rows[index], columns[index])
      for i in 0..<input {
        let turn = columnTurns[column * i % input]
        factors.a[2 * index * input + i] = Scalar(value * turn.cosine)
        factors.a[(2 * index + 1) * input + i] = Scalar(-value * turn.sine)
      }
      for o in 0..<out {
        let turn = rowTurns[row * o % out]
        factors.b[o * rank + 2 * index] = Scalar(turn.cosine)
        factors.b[o * rank + 2 * index + 1] = Scalar(turn.sine)
      }
    }
    return [factors]
  }

  /// The frequencies along the outputs and along the inputs.
  private func frequencies(
    _ operands: inout OperandLoader, _ out: Int, _ input: Int
  ) throws -> (rows: ArraySlice<Int>, columns: [Int]) {
    let all = try operands.integers(places)
    let (rows, columns) = (all.prefix(spectrum.count), Array(all.dropFirst(spectrum.count)))
    guard rows.allSatisfy((0..<out).contains), columns.allSatisfy((0..<input).contains) else {
      throw AdapterError(
        .arithmetic, on: target.name, "\(Self.op) has a place outside of the weight")
    }
    return (rows, columns)
  }

  /// Cosine and sine of 2π · k / count.
  private static func turns(_ count: Int) -> [(cosine: Double, sine: Double)] {
    (0..<count).map { k in
      let angle = 2 * Double.pi * Double(k) / Double(count)
      return (Double.cos(angle), Double.sin(angle))
    }
  }
}
